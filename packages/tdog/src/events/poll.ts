import type { Engine } from '../engine.ts';
import type { StripeEvent } from '../options.ts';
import { timestamp } from '../model/values.ts';
import { ApiProblem } from '../stripe/problem.ts';
import { applyEvents } from './apply.ts';
import { isEvent, isStored } from './store-events.ts';

/** Events may turn up in the list after newer ones: this much is read again. */
const OVERLAP_SECONDS = 300;
/** How often the overlap is read again after events, and without any: each time costs a read. */
const OVERLAP_EVERY_MS = 60_000;
const OVERLAP_IDLE_MS = 1_800_000;
/** Stripe forgets events after 30 days; from here on a reconcile is due. */
export const MAX_BEHIND_SECONDS: number = 28 * 86_400;

/** What one poll found. */
export interface PollResult {
  readonly events: number;
  /** The gap is too old for events: everything must be compared. */
  readonly tooFarBehind: boolean;
}

/**
 * Reads and applies what is new since the cursor, oldest first; each page is committed with its cursor.
 *
 * @param askAgain - ask Stripe anew where the key could not read events
 */
export async function pollEvents(engine: Engine, askAgain = false): Promise<PollResult> {
  const { state } = engine;
  if (state.get('events') === 'forbidden') {
    if (!askAgain || !(await mayReadEvents(engine))) return { events: 0, tooFarBehind: false };
    await engine.commit(() => state.set('events', undefined));
    // Without a stamp from before the download, nobody knows what has happened since.
    if (state.get('stamped_ms') === undefined) return { events: 0, tooFarBehind: true };
  }
  // Also where Stripe still answers: what happened between the last poll and its oldest event would be missing.
  if (isTooOld(engine)) return { events: 0, tooFarBehind: true };
  let events = 0;
  for (;;) {
    const cursor = state.get('cursor');
    let page: readonly StripeEvent[];
    let more: boolean;
    try {
      ({ page, more } = cursor === undefined ? await fromTheBeginning(engine) : await after(engine, cursor));
    } catch (error) {
      if (!(error instanceof ApiProblem)) throw error;
      if (error.kind === 'forbidden') {
        // The permission was taken away: the rest of the engine goes on.
        await noteForbidden(engine, error);
        return { events, tooFarBehind: false };
      }
      if ((error.kind !== 'missing' && error.kind !== 'rejected') || cursor === undefined) throw error;
      engine.logger.warn('stripe no longer knows the last event that was applied');
      // It should know it: the data was deleted at Stripe, without an event.
      if (!isForgotten(engine)) return { events, tooFarBehind: true };
      // So old that it is gone, and nothing came since: whatever there is now is new.
      await engine.commit(() => state.set('cursor', undefined));
      continue;
    }
    const horizon = Number(state.get('horizon') ?? '0');
    const newest = page.at(-1);
    events += await applyEvents(engine, page, {
      horizon,
      also: () => {
        if (newest !== undefined) {
          state.set('cursor', newest.id);
          state.set('horizon', String(Math.max(horizon, newest.created)));
        }
      },
    });
    if (!more) return { events, tooFarBehind: false };
  }
}

/** Notes that the key may not read events. */
export async function noteForbidden(engine: Engine, problem: ApiProblem): Promise<void> {
  engine.logger.warn(
    `the key may not read events: the mirror is as of its last comparison; ${problem.message}`,
  );
  await engine.commit(() => engine.state.set('events', 'forbidden'));
}

async function mayReadEvents(engine: Engine): Promise<boolean> {
  try {
    await engine.api.list('/v1/events?limit=1', { endpoint: 'GET /v1/events', purpose: 'poll' });
    return true;
  } catch (error) {
    if (error instanceof ApiProblem && error.kind === 'forbidden') return false;
    throw error;
  }
}

/** Whether the file is so old that events of the time between may be gone. */
export function isTooOld(engine: Engine): boolean {
  const { state, options } = engine;
  const current = Number(state.get('current_ms') ?? state.get('stamped_ms') ?? String(options.now()));
  return options.now() - current > MAX_BEHIND_SECONDS * 1_000;
}

/** Whether the last event that was applied is so old that Stripe has forgotten it. */
function isForgotten(engine: Engine): boolean {
  const horizon = Number(engine.state.get('horizon') ?? '0');
  return engine.options.now() / 1_000 - horizon > MAX_BEHIND_SECONDS;
}

/** Pages walk forward with `ending_before`: the page next to the cursor, newest first inside. */
async function after(
  engine: Engine,
  cursor: string,
): Promise<{ page: readonly StripeEvent[]; more: boolean }> {
  const page = await list(engine, `ending_before=${encodeURIComponent(cursor)}`);
  return { page: page.events.toReversed(), more: page.more };
}

/** No event is known that Stripe still has: all that there are now are new. */
async function fromTheBeginning(engine: Engine): Promise<{ page: readonly StripeEvent[]; more: boolean }> {
  const all: StripeEvent[] = [];
  let cursor: string | undefined;
  for (;;) {
    const page = await list(
      engine,
      cursor === undefined ? '' : `starting_after=${encodeURIComponent(cursor)}`,
    );
    all.push(...page.events);
    cursor = page.events.at(-1)?.id;
    if (!page.more || cursor === undefined) return { page: all.toReversed(), more: false };
  }
}

/** Reads the last minutes again, for events that came late. Returns the number of new ones. */
export async function readOverlap(engine: Engine): Promise<number> {
  const horizon = Number(engine.state.get('horizon') ?? '0');
  if (horizon === 0 || engine.state.get('events') === 'forbidden') return 0;
  const late: StripeEvent[] = [];
  let newest: StripeEvent | undefined;
  let cursor: string | undefined;
  for (;;) {
    const page = await list(
      engine,
      `created[gte]=${horizon - OVERLAP_SECONDS}${cursor === undefined ? '' : `&starting_after=${encodeURIComponent(cursor)}`}`,
    );
    newest ??= page.events[0];
    // The minutes of a busy account are too much to be held.
    late.push(...page.events.filter((event) => !isStored(engine, event.id)));
    cursor = page.events.at(-1)?.id;
    if (!page.more || cursor === undefined) break;
  }
  const knownBefore = engine.state.get('cursor');
  return applyEvents(engine, late.toReversed(), {
    horizon,
    also: () => {
      // What is newer than the cursor has been applied here too.
      if (newest !== undefined && newest.created > horizon && knownBefore === engine.state.get('cursor')) {
        engine.state.set('cursor', newest.id);
        engine.state.set('horizon', String(newest.created));
      }
    },
  });
}

/** When {@link readOverlap} is due: soon after events, now and then without. */
export interface OverlapClock {
  /** Events have come. */
  note(events: number): void;
  due(): boolean;
}

/** Makes the clock of one watch. */
export function createOverlapClock(now: () => number): OverlapClock {
  let last = now();
  let some = true;
  return {
    note: (events) => {
      if (events > 0) some = true;
    },
    due: () => {
      if (now() - last < (some ? OVERLAP_EVERY_MS : OVERLAP_IDLE_MS)) return false;
      last = now();
      some = false;
      return true;
    },
  };
}

async function list(
  engine: Engine,
  query: string,
): Promise<{ events: readonly StripeEvent[]; more: boolean }> {
  const page = await engine.api.list(`/v1/events?limit=100${query === '' ? '' : `&${query}`}`, {
    endpoint: 'GET /v1/events',
    purpose: 'poll',
    priority: () => 1e9,
  });
  return { events: (page.data as readonly unknown[]).filter(isEvent), more: page.has_more };
}

/** For mirror_status: everything up to now is applied. Written with the heartbeat, not with each poll. */
export function noteCurrent(engine: Engine, ms: number): void {
  engine.state.set('current_ms', String(ms));
  engine.state.set('current_ts', timestamp(Math.floor(ms / 1_000)));
}
