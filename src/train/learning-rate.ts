/** Learning rate by step: linear warm-up from 0 over `warmup` steps, then half a cosine down to 0 (Loshchilov and Hutter 2017). */
export function learningRateAt(
  step: number,
  options: { readonly peak: number; readonly warmup: number; readonly steps: number },
): number {
  const { peak, warmup, steps } = options;
  if (step < warmup) return (peak * (step + 1)) / warmup;
  const progress = Math.min(1, (step - warmup) / Math.max(1, steps - warmup));
  return 0.5 * peak * (1 + Math.cos(Math.PI * progress));
}
