/** Label of everything that a test makes on an engine; its value is the id of the run. */
export const TEST_LABEL = 'sandbox-mcp.test'

/** Prefix of the names of all installations of a run, by which the sandboxes of its servers are found. */
export function installationPrefix(runId: string): string {
  return `test-${runId}-`
}
