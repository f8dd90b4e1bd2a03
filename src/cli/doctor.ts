import { createRequire } from 'node:module';
import { availableParallelism, freemem, totalmem } from 'node:os';
import type { Command } from 'commander';
import { ERRORS } from '../errors.js';
import { EMOJI_PACKAGES, emojiPackages } from '../images/index.js';
import {
  compileTraining,
  loadRetrievalKernels,
  loadTrainingKernels,
  standaloneHeap,
  supportsRelaxedSimd,
  supportsSimd,
  TRAINING_TIERS,
} from '../kernels/index.js';
import { command } from './command.js';
import { table } from './console.js';

/** One thing that was looked at; `advice` is there when something is missing. */
interface Finding {
  readonly what: string;
  readonly found: string;
  readonly ok: boolean;
  readonly advice?: string;
}

const OLDEST_NODE = [20, 19] as const;

export function doctorCommand(): Command {
  return command('doctor', ['nearmiss doctor', 'nearmiss doctor --json'], async (_args, _options, console) => {
    const findings = await examine();
    console.print(
      table(
        ['what', 'found'],
        findings.map(({ what, found, ok }) => [what, `${found}${ok ? '' : '  (!)'}`]),
      ),
    );
    for (const { what, advice } of findings) if (advice) console.print(`${what}: ${advice}`);
    const ok = findings.every((finding) => finding.ok);
    console.print(ok ? 'all is well' : 'see the lines above');
    return { ok, findings };
  });
}

async function examine(): Promise<Finding[]> {
  const gigabytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
  return [
    nodeVersion(),
    { what: 'cores', found: String(availableParallelism()), ok: true },
    { what: 'memory', found: `${gigabytes(freemem())} free of ${gigabytes(totalmem())}`, ok: true },
    {
      what: 'WebAssembly SIMD',
      found: supportsSimd() ? 'yes' : 'no',
      ok: supportsSimd(),
      ...(supportsSimd() ? {} : { advice: 'use Node 20.19 or newer on a 64-bit processor' }),
    },
    { what: 'relaxed SIMD', found: (await supportsRelaxedSimd()) ? 'yes' : 'no, plain SIMD is used', ok: true },
    ...(await kernels()),
    await searchKernels(),
    await tfjsKernels(),
    await installed('onnxruntime-node', ERRORS.NM_ONNXRUNTIME_MISSING.hint),
    await installed('sharp', ERRORS.NM_SHARP_MISSING.hint),
    await installed('libsql', 'npm install libsql'),
    emoji(),
  ];
}

function nodeVersion(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const ok = major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1]);
  const advice = `install Node ${OLDEST_NODE.join('.')} or newer`;
  return { what: 'Node', found: process.version, ok, ...(ok ? {} : { advice }) };
}

/** Every tier of the training kernels: loaded and checked, or why not; the best one is what training takes. */
async function kernels(): Promise<Finding[]> {
  const findings: Finding[] = [];
  // Where a module is missing, the tier's own line says so.
  const choice = await compileTraining().catch(() => undefined);
  for (const tier of TRAINING_TIERS) {
    const what = `training kernels, ${tier}`;
    const passed = choice?.passedOver.find((other) => other.tier === tier);
    if (passed) {
      findings.push({ what, found: `not used: ${passed.reason}`, ok: true });
      continue;
    }
    try {
      const { exports } = await loadTrainingKernels(standaloneHeap(), { tier });
      const used = tier === choice?.tier ? '; the ones that train here' : '';
      findings.push({ what, found: `${Object.keys(exports).length} functions, self-check passed${used}`, ok: true });
    } catch (error) {
      findings.push({ what, found: (error as Error).message, ok: false, advice: 'run `npm run build` or reinstall' });
    }
  }
  return findings;
}

/** How searches run here, and what is passed over for failing its self-check. */
async function searchKernels(): Promise<Finding> {
  const what = 'search kernels';
  try {
    const { tier, coarse, coarseFault, passedOver } = await loadRetrievalKernels();
    const queries = coarse ? '5-bit queries, then 15-bit' : `15-bit queries (5-bit: ${coarseFault})`;
    const found = `${tier}, ${queries}${passedOver ? `; not used: ${passedOver}` : ''}`;
    return { what, found, ok: true };
  } catch (error) {
    return { what, found: (error as Error).message, ok: false, advice: 'run `npm run build` or reinstall' };
  }
}

/** How many kernels `install` registers on the tfjs WASM backend; tfjs is loaded only here. */
async function tfjsKernels(): Promise<Finding> {
  const what = 'tfjs kernels';
  try {
    const tf = await import('@tensorflow/tfjs-core');
    await import('@tensorflow/tfjs-backend-wasm');
    const { install, uninstall } = await import('../tfjs/index.js');
    await tf.setBackend('wasm');
    const stock = new Map(tf.getKernelsForBackend('wasm').map((kernel) => [kernel.kernelName, kernel.kernelFunc]));
    await install(tf);
    const all = tf.getKernelsForBackend('wasm');
    const ours = all.filter(({ kernelName, kernelFunc }) => stock.get(kernelName) !== kernelFunc);
    uninstall(tf);
    return { what, found: `${ours.length} of ${all.length} are ours`, ok: ours.length > 0 };
  } catch (error) {
    const advice = 'npm install @tensorflow/tfjs-core @tensorflow/tfjs-backend-wasm';
    return { what, found: (error as Error).message, ok: false, advice };
  }
}

async function installed(name: string, how: string): Promise<Finding> {
  try {
    await import(name);
    return { what: name, found: versionOf(name), ok: true };
  } catch (error) {
    return { what: name, found: (error as Error).message.split('\n')[0] ?? 'missing', ok: false, advice: how };
  }
}

/** The version a package's manifest states; packages that do not export it say only that they are there. */
function versionOf(name: string): string {
  try {
    return (createRequire(import.meta.url)(`${name}/package.json`) as { version: string }).version;
  } catch {
    return 'installed';
  }
}

function emoji(): Finding {
  const what = 'emoji pictures';
  try {
    emojiPackages(process.cwd());
    return { what, found: 'installed', ok: true };
  } catch {
    // Only the demo and the source `emoji` need them, so this is no fault of the machine.
    return { what, found: 'missing', ok: true, advice: `for the demo: npm install ${EMOJI_PACKAGES.join(' ')}` };
  }
}
