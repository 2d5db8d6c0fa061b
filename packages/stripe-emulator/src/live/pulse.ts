import type { Logger } from 'pino';
import type { Account } from '../api/context.ts';
import type { Events } from '../events.ts';
import type { SyntheticBase } from '../synthetic/base.ts';
import { Schedule, told } from '../write/schedule.ts';
import { Activity } from './activity.ts';
import { AutomaticPayouts } from './payouts.ts';

/** How often the clock is looked at. */
const tickMs = 200;
/** So many things happen in one tick at the most: a long sleep is caught up with in portions. */
const portion = 200;

/** Events that are kept at the most: a demo that runs for months must not fill the disk. */
const eventsKept = 200_000;
const eventSeconds = 31 * 86_400;

/** What time passes for. */
export interface PulseOptions {
  readonly account: Account;
  /** The history that lives on; undefined: only what was written since does. */
  readonly base: SyntheticBase | undefined;
  /** Where the history ends, seconds since 1970. */
  readonly opened: number;
  /** Events per second. */
  readonly rate: number;
  readonly events: Events;
  readonly logger: Logger;
}

/** Lets time pass: what is due happens, and, when the account is alive, more than that. */
export function createPulse(options: PulseOptions): Pulse {
  const { account, base, events } = options;
  const { store } = account;
  const { journal } = store;
  const schedule = new Schedule(account);
  const seconds = (): number => Math.floor(account.now() / 1000);
  store.onPut((object) => schedule.note(object));
  for (const object of ['subscription', 'invoice', 'payout', 'balance_transaction']) {
    for (const row of journal.walk({ object, direction: 'older' })) schedule.note(row.object());
  }
  if (base !== undefined) wake(schedule, account, base, options.opened);
  const actor = { account, request: undefined, at: seconds() };
  const payouts = base && new AutomaticPayouts(actor, base);
  const activity = base && new Activity(account, base);
  return new Pulse(
    {
      due: (limit) => journal.transaction(() => schedule.run(limit)),
      act: activity && (() => journal.transaction(() => activity.act())),
      minute: () => {
        journal.prune('event', seconds() - eventSeconds, eventsKept);
        if (payouts) journal.transaction(() => payouts.run({ ...actor, at: seconds() }));
      },
      events: () => events.count,
      eventsPerSecond: options.rate,
      now: account.now,
    },
    options.logger,
  );
}

/** What the history left unfinished goes on. */
function wake(schedule: Schedule, account: Account, base: SyntheticBase, opened: number): void {
  for (const { id, periodEnd, trialEnd } of base.running()) {
    schedule.push({ at: periodEnd, object: 'subscription', id });
    if (trialEnd === null || trialEnd <= opened) continue;
    // The history has announced the end of trials up to its own end.
    const warning = trialEnd - 3 * 86_400;
    const row = base.find('subscription', id);
    if (warning <= opened && row !== undefined) told(row.object(), account.store);
    else schedule.push({ at: warning, object: 'subscription', id });
  }
  const recent = opened - 45 * 86_400;
  for (const object of ['invoice', 'payout']) {
    for (const row of base.walk({ object, direction: 'older', from: recent })) schedule.note(row.object());
  }
}

/** What the pulse drives. */
interface Driven {
  /** Does what is due. @returns how many things */
  readonly due: (limit: number) => number;
  /** Does one thing more; undefined when the account is not alive. */
  readonly act: (() => void) | undefined;
  /** Things to do now and then, about once a minute. */
  readonly minute: () => void;
  /** How many events there have been. */
  readonly events: () => number;
  readonly eventsPerSecond: number;
  readonly now: () => number;
}

/**
 * Lets time pass. The rate is kept on average; a deed with many events makes a pause, but none longer than the time
 * between two events (or two seconds, whichever is longer).
 */
export class Pulse {
  readonly #driven: Driven;
  readonly #logger: Logger;
  #timer: NodeJS.Timeout | undefined;
  #budget = 0;
  #last: number;
  #minute = 0;

  constructor(driven: Driven, logger: Logger) {
    this.#driven = driven;
    this.#logger = logger;
    this.#last = driven.now();
  }

  start(): void {
    this.#last = this.#driven.now();
    this.#timer = setInterval(() => this.#tick(), tickMs);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    try {
      const now = this.#driven.now();
      const { eventsPerSecond: rate } = this.#driven;
      const before = this.#driven.events();
      this.#budget += (Math.max(0, now - this.#last) / 1000) * rate;
      this.#budget = Math.min(this.#budget, Math.max(1, rate * 2));
      this.#last = now;
      if (Math.floor(now / 60_000) !== this.#minute) {
        this.#minute = Math.floor(now / 60_000);
        this.#driven.minute();
      }
      this.#driven.due(portion);
      this.#spend(this.#driven.events() - before);
      while (this.#driven.act !== undefined && this.#budget >= 1) {
        const start = this.#driven.events();
        this.#driven.act();
        this.#spend(Math.max(1, this.#driven.events() - start));
      }
    } catch (error) {
      this.#logger.error({ err: error }, 'emulator: live activity failed');
    }
  }

  #spend(events: number): void {
    const { eventsPerSecond: rate } = this.#driven;
    this.#budget = Math.max(this.#budget - events, Math.min(0, 1 - Math.max(1, rate * 2)));
  }
}
