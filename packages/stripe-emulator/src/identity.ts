import { EmulatorError } from './errors.ts';
import type { ResolvedOptions } from './options.ts';
import type { Journal } from './store/journal.ts';
import type { Timeline } from './timeline/timeline.ts';

/** Which account it is; kept in the state file so that a restart is the same account. */
export interface Identity {
  readonly accountId: string;
  /** Up to when the synthetic history goes, seconds since 1970. */
  readonly opened: number;
  /** What the account was made from, in words. */
  readonly source: string;
}

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** The id of a synthetic account: it says that it is a demo, and follows from the seed. */
function demoAccount(seed: number): string {
  let id = 'acct_demo';
  let rest = seed * 2_654_435_761 + 97;
  for (let i = 0; i < 10; i++, rest = Math.floor(rest / 7) + i * 131) id += letters[rest % 62];
  return id;
}

/**
 * Who the account is: what the state file says, or what the options make.
 * @throws EmulatorError EMULATOR_STATE when the file is of another account
 */
export function identify(
  options: ResolvedOptions,
  journal: Journal,
  timeline: Timeline | undefined,
): Identity {
  const { source } = options;
  const seed = 'synthetic' in source ? (source.seed ?? 1) : 1;
  const fresh: Identity = {
    accountId:
      options.accountId ??
      timeline?.accountId ??
      ('synthetic' in source ? demoAccount(seed) : 'acct_1Emulator00000000'),
    opened: Math.floor(options.now() / 1000),
    source:
      'synthetic' in source
        ? `a synthetic company of ${source.synthetic} customers, seed ${seed}`
        : 'timeline' in source
          ? `the timeline ${source.timeline}`
          : 'an account that began empty',
  };
  const text = journal.setting('account');
  if (text === undefined) {
    journal.set('account', JSON.stringify(fresh));
    return fresh;
  }
  const kept = JSON.parse(text) as Identity;
  if (kept.source !== fresh.source || kept.accountId !== fresh.accountId) {
    journal.close();
    throw new EmulatorError(
      'EMULATOR_STATE',
      `the state file belongs to ${kept.accountId} (${kept.source}), not to ${fresh.accountId} (${fresh.source}): name another file`,
    );
  }
  return kept;
}
