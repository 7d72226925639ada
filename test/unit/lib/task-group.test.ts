import { expect, test } from 'vitest'
import { deferred } from '../../../src/lib/deferred.ts'
import { TaskGroup } from '../../../src/lib/task-group.ts'

test('no more than the bound run at once, and each starts as soon as there is room', async () => {
  const group = new TaskGroup(2)
  const tasks = [deferred<void>(), deferred<void>(), deferred<void>()]
  const started: number[] = []
  const add = (index: number) =>
    group.add(() => {
      started.push(index)
      return tasks[index]?.promise ?? Promise.resolve()
    })
  await add(0)
  await add(1)
  const third = add(2)
  await Promise.resolve()
  expect(started).toEqual([0, 1])
  tasks[1]?.resolve()
  await third
  expect(started).toEqual([0, 1, 2])
  tasks[0]?.resolve()
  tasks[2]?.resolve()
  await group.done()
})

test('after a failure no more are started, and the first is told', async () => {
  const group = new TaskGroup(1)
  const first = deferred<void>()
  await group.add(() => first.promise)
  first.reject(new Error('first'))
  let ran = false
  await expect(group.add(() => Promise.resolve((ran = true)))).rejects.toThrow('first')
  expect(ran).toBe(false)
  await expect(group.done()).rejects.toThrow('first')
})

test('settled waits for all and tells of no failure', async () => {
  const group = new TaskGroup(2)
  const slow = deferred<void>()
  await group.add(() => slow.promise)
  await group.add(() => Promise.reject(new Error('quick')))
  let isSettled = false
  const settled = group.settled().then(() => (isSettled = true))
  await Promise.resolve()
  expect(isSettled).toBe(false)
  slow.resolve()
  await settled
})
