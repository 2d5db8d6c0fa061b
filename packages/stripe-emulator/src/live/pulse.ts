import type { Logger } from 'pino';

/** How often the clock is looked at. */
const tickMs = 200;
/** So many things happen in one tick at the most: a long sleep is caught up with in portions. */
const portion = 200;

/** What the pulse drives. */
export interface Driven {
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
