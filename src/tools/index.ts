import { listFiles } from './list-files.ts'
import { processRead } from './process-read.ts'
import { processWrite } from './process-write.ts'
import { readFile } from './read-file.ts'
import { shellExec } from './shell-exec.ts'
import type { Tool } from './tool.ts'
import { upload } from './upload.ts'
import { writeFile } from './write-file.ts'

/** Every tool, in the order in which the model sees them. */
export const TOOLS: readonly Tool[] = [shellExec, processRead, processWrite, readFile, writeFile, listFiles, upload]
