import { removeShrinkwrap } from './lib/shrinkwrap.mjs'

// npm runs this after `npm pack` and `npm publish`.
removeShrinkwrap()
