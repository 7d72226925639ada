/** Bytes from the start of a file that typeByMagic looks at. */
export const MAGIC_BYTES = 512

/** [what it is, offset, bytes as hex]; the first match counts. Signatures as in file(1)'s magic database. */
const MAGIC: readonly (readonly [name: string, offset: number, hex: string])[] = [
  ['ELF program', 0, '7f454c46'],
  ['zip archive', 0, '504b0304'],
  ['zip archive', 0, '504b0506'],
  ['gzip data', 0, '1f8b'],
  ['xz data', 0, 'fd377a585a00'],
  ['bzip2 data', 0, '425a68'],
  ['zstd data', 0, '28b52ffd'],
  ['7-Zip archive', 0, '377abcaf271c'],
  ['tar archive', 257, '7573746172'],
  ['PDF document', 0, '255044462d'],
  ['SQLite database', 0, '53514c69746520666f726d6174203300'],
  ['Parquet data', 0, '50415231'],
  ['Arrow data', 0, '4152524f5731'],
  ['HDF5 data', 0, '894844460d0a1a0a'],
  ['NumPy array', 0, '934e554d5059'],
  ['WebAssembly module', 0, '0061736d'],
  ['Java class', 0, 'cafebabe'],
  ['Windows program', 0, '4d5a'],
  ['OLE document (old Office)', 0, 'd0cf11e0a1b11ae1'],
  ['Ogg media', 0, '4f676753'],
  ['FLAC audio', 0, '664c6143'],
  ['MP3 audio', 0, '494433'],
  ['WAV audio', 8, '57415645'],
  ['AVI video', 8, '41564920'],
  ['MP4 media', 4, '66747970'],
  ['Matroska media', 0, '1a45dfa3'],
  ['TIFF image', 0, '49492a00'],
  ['TIFF image', 0, '4d4d002a'],
  ['BMP image', 0, '424d'],
  ['icon', 0, '00000100'],
  ['TrueType font', 0, '0001000000'],
  ['WOFF2 font', 0, '774f4632'],
]

/** What a binary file is, by its first bytes; undefined when they are of no known kind. The name of a file says nothing. */
export function typeByMagic(start: Buffer): string | undefined {
  return MAGIC.find(([, offset, hex]) => start.subarray(offset, offset + hex.length / 2).toString('hex') === hex)?.[0]
}
