/** The Authorization header of "user:password" (RFC 7617). */
export function basicLogin(login: string): string {
  return `Basic ${Buffer.from(login).toString('base64')}`
}
