/**
 * A package of the package.json beside this file. It is there, with its types, only once the set-up of these tests has installed it; so the name
 * is no literal, and each test states the part of the package that it uses.
 */
export async function load<Module>(name: string): Promise<Module> {
  return (await import(name)) as Module
}
