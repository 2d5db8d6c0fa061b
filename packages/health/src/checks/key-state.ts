import type { Check, CheckResult, KeyStateOptions } from '../types.ts';
import { timing } from './timing.ts';

/** Verdict on an API key, from a function: live, refused (fail), or unknown because nobody can be asked (warn). */
export function keyState(options: KeyStateOptions): Check {
  return {
    ...timing(options, { intervalMs: 5_000, timeoutMs: 5_000 }),
    componentType: 'component',
    async run(): Promise<CheckResult> {
      const state = await options.state();
      const metrics = [
        {
          name: 'key_live',
          help: '1 when the key is accepted',
          type: 'gauge',
          value: state === 'live' ? 1 : 0,
        },
      ] as const;
      if (state === 'live') return { status: 'pass', observed: state, metrics };
      if (state === 'refused') {
        return { status: 'fail', observed: state, metrics, message: 'The key is refused' };
      }
      return { status: 'warn', observed: state, metrics, message: 'Nobody to ask whether the key is live' };
    },
  };
}
