/** What is wrong with a source text. Columns count from 1, in characters as the checker counts them. */
export interface SyntaxFault {
  readonly line?: number
  readonly column?: number
  readonly message: string
}
