/** A lab for a benchmark: every computer with a rate, gone when the benchmark ends. */
import { buildLab, type Lab } from '../../test/helpers/lab.ts'
import { cleanUp } from '../measure.ts'

/**
 * @param rates - one for each computer, as tc writes them ("100mbit")
 * @returns the lab; or why there can be none
 */
export const labOf = (rates: readonly string[]): Lab | string => buildLab({ computers: rates.length, rates, cleanUp })
