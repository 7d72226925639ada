import { checkSyntax } from './check-syntax.ts'
import { download } from './download.ts'
import { editFile } from './edit-file.ts'
import { installPackages } from './install-packages.ts'
import { listFiles } from './list-files.ts'
import { processRead } from './process-read.ts'
import { processWrite } from './process-write.ts'
import { readFile } from './read-file.ts'
import { runCode } from './run-code.ts'
import { sandboxInfo } from './sandbox-info.ts'
import { searchFiles } from './search-files.ts'
import { sandboxManage } from './sandbox-manage.ts'
import { shellExec } from './shell-exec.ts'
import type { Tool } from './tool.ts'
import { upload } from './upload.ts'
import { writeFile } from './write-file.ts'

/** Which tools a model is given: `core` is what everything can be done with, `code` adds what work on code takes, `all` is all. */
export type ToolSet = 'core' | 'code' | 'all'

/** Every tool with the smallest set that has it, in the order in which the model sees them. */
const LIST: readonly (readonly [set: ToolSet, tool: Tool])[] = [
  ['core', shellExec],
  ['core', processRead],
  ['core', processWrite],
  ['core', readFile],
  ['core', writeFile],
  ['code', editFile],
  ['core', listFiles],
  ['code', searchFiles],
  ['core', upload],
  ['all', download],
  ['code', runCode],
  ['code', checkSyntax],
  ['code', installPackages],
  ['code', sandboxInfo],
  ['all', sandboxManage],
]
const SETS: readonly ToolSet[] = ['core', 'code', 'all']

/** The tools of a set, in the order in which the model sees them. */
export function toolsOf(set: ToolSet): readonly Tool[] {
  return LIST.filter(([smallest]) => SETS.indexOf(smallest) <= SETS.indexOf(set)).map(([, tool]) => tool)
}

export const TOOLS: readonly Tool[] = toolsOf('all')
