/** What went wrong, by who can mend it. */
export type ErrorKind =
  | 'invalid'
  | 'not_found'
  | 'conflict'
  | 'denied'
  | 'limit'
  | 'cancelled'
  | 'unavailable'
  | 'internal'

/** What every front of the server needs to know about one error code. */
export interface ErrorFacts {
  readonly kind: ErrorKind
  /** HTTP status (RFC 9110, RFC 4918 for 507) that an HTTP front answers with. */
  readonly httpStatus: number
  /** Exit code of an operator command (sysexits.h where one fits). */
  readonly exitCode: number
  /** True when the same call may succeed later without a change. */
  readonly retryable: boolean
  /** What to do, when the thrower knew nothing better. */
  readonly hint: string
}

/** The stable codes. The first word of every error that a model, an HTTP client or an operator sees. */
export const ERROR_CODES = {
  invalid_argument: {
    kind: 'invalid',
    httpStatus: 400,
    exitCode: 64,
    retryable: false,
    hint: 'Correct the argument and call again.',
  },
  config_invalid: {
    kind: 'invalid',
    httpStatus: 500,
    exitCode: 78,
    retryable: false,
    hint: 'Correct the setting; `sandbox-mcp config` shows where each value comes from.',
  },
  unauthenticated: {
    kind: 'denied',
    httpStatus: 401,
    exitCode: 77,
    retryable: false,
    hint: 'Send a valid credential of this server in the Authorization header.',
  },
  forbidden: {
    kind: 'denied',
    httpStatus: 403,
    exitCode: 77,
    retryable: false,
    hint: 'Ask the operator for access.',
  },
  malformed_body: {
    kind: 'invalid',
    httpStatus: 400,
    exitCode: 65,
    retryable: false,
    hint: 'Send one JSON document in UTF-8.',
  },
  method_not_allowed: {
    kind: 'invalid',
    httpStatus: 405,
    exitCode: 64,
    retryable: false,
    hint: 'Use one of the methods that the Allow header names.',
  },
  unsupported_media_type: {
    kind: 'invalid',
    httpStatus: 415,
    exitCode: 64,
    retryable: false,
    hint: 'Send the body as it is asked for, and say so in the Content-Type header.',
  },
  request_timeout: {
    kind: 'limit',
    httpStatus: 408,
    exitCode: 75,
    retryable: true,
    hint: 'Send the whole request without a pause.',
  },
  rate_limited: {
    kind: 'limit',
    httpStatus: 429,
    exitCode: 75,
    retryable: true,
    hint: 'Wait as long as the Retry-After header says.',
  },
  identity_unavailable: {
    kind: 'unavailable',
    httpStatus: 503,
    exitCode: 69,
    retryable: true,
    hint: 'Call again later; the credential may be good. If it persists, tell the operator.',
  },
  length_required: {
    kind: 'invalid',
    httpStatus: 411,
    exitCode: 64,
    retryable: false,
    hint: 'Send the content with Content-Length or chunked (curl -T FILE); Content-Length: 0 means an empty file.',
  },
  range_not_satisfiable: {
    kind: 'invalid',
    httpStatus: 416,
    exitCode: 64,
    retryable: false,
    hint: 'The Content-Range header tells how long it is.',
  },
  not_found: {
    kind: 'not_found',
    httpStatus: 404,
    exitCode: 66,
    retryable: false,
    hint: 'Check the name with list_files.',
  },
  is_directory: {
    kind: 'conflict',
    httpStatus: 409,
    exitCode: 65,
    retryable: false,
    hint: 'Name a file, or use list_files for a directory.',
  },
  not_a_file: {
    kind: 'conflict',
    httpStatus: 409,
    exitCode: 65,
    retryable: false,
    hint: 'Only regular files can be read or written.',
  },
  already_exists: {
    kind: 'conflict',
    httpStatus: 409,
    exitCode: 65,
    retryable: false,
    hint: 'Choose another path, or allow overwriting.',
  },
  permission_denied: {
    kind: 'denied',
    httpStatus: 403,
    exitCode: 77,
    retryable: false,
    hint: 'Work below /workspace or /tmp; the rest of the sandbox is read-only.',
  },
  too_large: {
    kind: 'limit',
    httpStatus: 413,
    exitCode: 65,
    retryable: false,
    hint: 'Use a smaller piece.',
  },
  binary_file: {
    kind: 'conflict',
    httpStatus: 415,
    exitCode: 65,
    retryable: false,
    hint: 'Read it with `as: "base64"`, or inspect it with shell_exec.',
  },
  stale_version: {
    kind: 'conflict',
    httpStatus: 412,
    exitCode: 65,
    retryable: false,
    hint: 'Read the file again and repeat the change on its present content.',
  },
  no_match: {
    kind: 'conflict',
    httpStatus: 409,
    exitCode: 65,
    retryable: false,
    hint: 'Read the file and use text that occurs in it.',
  },
  ambiguous_match: {
    kind: 'conflict',
    httpStatus: 409,
    exitCode: 65,
    retryable: false,
    hint: 'Use a longer piece of text that occurs once.',
  },
  disk_full: {
    kind: 'limit',
    httpStatus: 507,
    exitCode: 74,
    retryable: false,
    hint: 'Delete files that are not needed, then try again. The old content is still there.',
  },
  engine_disk_full: {
    kind: 'unavailable',
    httpStatus: 507,
    exitCode: 74,
    retryable: true,
    hint: 'Nothing was written. Reading, deleting and small commands go on; delete what is not needed, and tell the operator.',
  },
  sandbox_starting: {
    kind: 'unavailable',
    httpStatus: 503,
    exitCode: 75,
    retryable: true,
    hint: 'Call again in a few seconds.',
  },
  sandbox_stopped: {
    kind: 'unavailable',
    httpStatus: 503,
    exitCode: 75,
    retryable: true,
    hint: 'The sandbox ended during the call, so its result is unknown. Files in /workspace are kept. Look before you repeat it.',
  },
  sandbox_unavailable: {
    kind: 'unavailable',
    httpStatus: 503,
    exitCode: 75,
    retryable: true,
    hint: 'The files are kept. Call again later; if it persists, tell the operator.',
  },
  sandbox_busy: {
    kind: 'conflict',
    httpStatus: 409,
    exitCode: 75,
    retryable: true,
    hint: 'Try again when nothing runs in it, or use --force: what runs is ended then.',
  },
  sandbox_limit: {
    kind: 'limit',
    httpStatus: 429,
    exitCode: 75,
    retryable: true,
    hint: 'Wait for running work to end, then call again.',
  },
  mode_refused: {
    kind: 'denied',
    httpStatus: 409,
    exitCode: 77,
    retryable: false,
    hint: 'Change or delete the files one by one; the rest is the operator’s to decide.',
  },
  engine_unreachable: {
    kind: 'unavailable',
    httpStatus: 503,
    exitCode: 69,
    retryable: true,
    hint: 'Start the container engine. Nothing was run anywhere else.',
  },
  engine_failed: {
    kind: 'unavailable',
    httpStatus: 502,
    exitCode: 69,
    retryable: true,
    hint: 'Look at the log of the server and of the container engine.',
  },
  unsafe_engine: {
    kind: 'unavailable',
    httpStatus: 503,
    exitCode: 69,
    retryable: false,
    hint: 'The engine did not apply a protection that was asked for, so the sandbox was removed. Use an engine that supports it.',
  },
  archive_unavailable: {
    kind: 'unavailable',
    httpStatus: 503,
    exitCode: 69,
    retryable: true,
    hint: 'The files are safe in a backup that could not be read. Call again later; if it persists, tell the operator.',
  },
  backup_unavailable: {
    kind: 'unavailable',
    httpStatus: 503,
    exitCode: 69,
    retryable: true,
    hint: 'Nothing was changed. Call again later; if it persists, tell the operator, who sets where backups are kept.',
  },
  backup_damaged: {
    kind: 'conflict',
    httpStatus: 422,
    exitCode: 65,
    retryable: false,
    hint: 'Nothing was changed. Use another backup.',
  },
  image_unavailable: {
    kind: 'unavailable',
    httpStatus: 503,
    exitCode: 69,
    retryable: false,
    hint: 'Run `sandbox-mcp build` on the server; it tells what is missing.',
  },
  network_disabled: {
    kind: 'denied',
    httpStatus: 403,
    exitCode: 77,
    retryable: false,
    hint: 'Work without the network, or ask the operator to allow it.',
  },
  package_not_found: {
    kind: 'not_found',
    httpStatus: 404,
    exitCode: 66,
    retryable: false,
    hint: 'Check the name and the version of the package.',
  },
  index_unreachable: {
    kind: 'unavailable',
    httpStatus: 502,
    exitCode: 69,
    retryable: true,
    hint: 'Call again later; if it persists, tell the operator, who sets the indexes and their certificates.',
  },
  install_failed: {
    kind: 'conflict',
    httpStatus: 422,
    exitCode: 65,
    retryable: false,
    hint: 'Read the log, and try another version or fewer packages at once.',
  },
  cancelled: {
    kind: 'cancelled',
    httpStatus: 499,
    exitCode: 130,
    retryable: true,
    hint: 'Call again if the result is still wanted.',
  },
  internal: {
    kind: 'internal',
    httpStatus: 500,
    exitCode: 70,
    retryable: false,
    hint: 'This is a fault of the server. Its log has the details under the incident id.',
  },
} as const satisfies Record<string, ErrorFacts>

export type ErrorCode = keyof typeof ERROR_CODES
