/** What assembly/rotate.ts exports. */
export interface RotateExports {
  rotate(x: number, dim: number, block: number, rounds: number, signs: number): void;
}
