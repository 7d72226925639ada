/**
 * How bytes come in and go out without passing through the model, as far as a connection's configuration allows. The two ways of it are
 * provided by the fronts: URLs where there is an HTTP server, files of the host where the server runs on the user's own machine.
 */
export interface Handover {
  /** One-time URLs of this server (transport http). */
  readonly urls?: HandoverUrls | undefined
  /** Files of the machine that the server runs on, in directories that the operator has allowed (transport stdio). */
  readonly host?: HostFiles | undefined
}

/** No way: the configuration has none. */
export const NO_HANDOVER: Handover = {}

/** What may be put with a URL, and how it is written. */
export interface UploadGrant {
  /** Absolute, in the sandbox. */
  readonly path: string
  /** Hexadecimal; anything else that arrives is refused. */
  readonly sha256?: string | undefined
  /** The content is an archive; `path` is the directory that it is unpacked into. */
  readonly extract?: 'tar' | 'tar.gz' | 'zip' | undefined
  readonly overwrite: boolean
}

/** What may be fetched with a URL. */
export interface DownloadGrant {
  /** Absolute, in the sandbox. */
  readonly path: string
  /** A directory comes as a tar.gz archive, in the state of that moment. */
  readonly kind: 'file' | 'directory'
  /** Of a file: it is given out in this state or not at all. */
  readonly version?: bigint | undefined
  /** Of a file in that state, hexadecimal. */
  readonly sha256?: string | undefined
}

/** A URL for one transfer of one path in one direction. Whoever has it needs no other credential. */
export interface TransferUrl {
  readonly url: string
  readonly expiresAt: Date
}

/** Makes one-time URLs for the user of one connection. Rejects with `sandbox_limit` when too many are open. */
export interface HandoverUrls {
  /** How long a URL may be good for, in milliseconds. */
  readonly maxTtlMs: number
  put(grant: UploadGrant): TransferUrl
  get(grant: DownloadGrant, ttlMs: number): TransferUrl
}

/** Files of the host, in the operator's directories only. */
export interface HostFiles {
  /** Most bytes that a new file may have. */
  readonly maxBytes: number
  /**
   * Opens a regular file for reading. `permission_denied` for a path outside of the directories; `not_found` for what is no regular file in
   * them, whatever else it is.
   */
  open(path: string): Promise<HostSource>
  /** Starts a file with a name like the given one. Nothing of it is to be seen under that name before `commit`. */
  create(name: string): Promise<HostTarget>
}

/** A file of the host that is open for reading. */
export interface HostSource extends AsyncDisposable {
  readonly content: AsyncIterable<Uint8Array>
}

/** A file of the host that is being written. Disposing without a commit leaves nothing. */
export interface HostTarget extends AsyncDisposable {
  write(chunk: Uint8Array): Promise<void>
  /** Puts the file in place under a name that nothing has yet. Resolves to its path. */
  commit(): Promise<string>
}
