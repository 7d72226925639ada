/** Label of everything that a test makes on an engine; its value is the id of the run. */
export const TEST_LABEL = 'sandbox-mcp.test'
