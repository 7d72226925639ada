/** Which of these byte strings a stream holds, also across its chunks. */
export async function findIn(stream: AsyncIterable<unknown>, marks: readonly Buffer[]): Promise<string[]> {
  const overlap = Math.max(...marks.map(({ length }) => length)) - 1
  const found = new Set<string>()
  let tail = Buffer.alloc(0)
  for await (const chunk of stream) {
    const piece = Buffer.concat([tail, chunk as Buffer])
    for (const mark of marks) if (piece.includes(mark)) found.add(mark.toString())
    tail = piece.subarray(Math.max(0, piece.length - overlap))
  }
  return [...found]
}
