import { NearmissError } from '../../src/errors.js';

/** The coded error that a promise fails with; anything else fails the test. */
export async function refusal(promise: Promise<unknown>): Promise<NearmissError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof NearmissError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}
