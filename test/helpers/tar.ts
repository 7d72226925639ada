import { type Header, pack } from 'tar-stream'

export type TarEntry = Partial<Header> & { name: string; content?: string | Buffer }

/** A tar archive. Its entries may be such as no honest archive has. */
export async function tar(entries: readonly TarEntry[]): Promise<Buffer> {
  const packed = pack()
  for (const { content = '', ...header } of entries) packed.entry(header, content)
  packed.finalize()
  const pieces: Buffer[] = []
  for await (const piece of packed as unknown as AsyncIterable<Buffer>) pieces.push(piece)
  return Buffer.concat(pieces)
}

/** One header block (POSIX ustar) of which every field may lie; the checksum is right unless it is given. */
export interface RawHeader {
  readonly name?: string | Buffer
  readonly mode?: string
  readonly size?: string | Buffer
  readonly type?: string
  readonly linkname?: string
  readonly magic?: string
  readonly prefix?: string
  readonly checksum?: string
}

const BLOCK = 512

export function tarHeader(header: RawHeader): Buffer {
  const block = Buffer.alloc(BLOCK)
  const { name = 'x', mode = '0000644\0', size = '00000000000\0', type = '0', linkname = '', prefix = '' } = header
  Buffer.from(name).copy(block, 0, 0, 100)
  block.write(mode, 100, 'latin1')
  block.write('0000000\0', 108, 'latin1')
  block.write('0000000\0', 116, 'latin1')
  Buffer.from(size).copy(block, 124, 0, 12)
  block.write('00000000000\0', 136, 'latin1')
  block.write(type, 156, 'latin1')
  block.write(linkname, 157, 'latin1')
  block.write(header.magic ?? 'ustar\x0000', 257, 'latin1')
  block.write(prefix, 345, 'latin1')
  block.write('        ', 148, 'latin1')
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(header.checksum ?? `${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return block
}

/** Blocks of an archive, filled up, with its end mark. */
export function tarOf(...parts: readonly Buffer[]): Buffer {
  const padded = parts.map((part) => Buffer.concat([part, Buffer.alloc(-part.length & (BLOCK - 1))]))
  return Buffer.concat([...padded, Buffer.alloc(2 * BLOCK)])
}

/** The size field of a tar header. */
export function octal(bytes: number): string {
  return `${bytes.toString(8).padStart(11, '0')}\0`
}
