import { EmulatorError } from '../errors.ts';
import type { Store } from '../store/store.ts';
import { replay } from './replay.ts';
import type { Timeline } from './timeline.ts';

/** A timeline, played up to a step. */
export class Replayed {
  readonly #timeline: Timeline;
  readonly #store: Store;
  #done = 0;
  #step = 0;

  constructor(timeline: Timeline, store: Store) {
    this.#timeline = timeline;
    this.#store = store;
  }

  /** The step that is served. */
  get step(): number {
    return this.#step;
  }

  /** The last step that there is. */
  get lastStep(): number {
    return this.#timeline.seen.length - 1;
  }

  /**
   * Moves to a step, also back.
   * @param atMost take the last step when there is no such step
   * @throws EmulatorError EMULATOR_STEP
   */
  advance(step: number, atMost = false): void {
    const { seen, events } = this.#timeline;
    const wanted = atMost ? Math.min(step, this.lastStep) : step;
    const upTo = seen[wanted];
    if (upTo === undefined) {
      throw new EmulatorError(
        'EMULATOR_STEP',
        `no step ${step}: the timeline has steps 0 to ${this.lastStep}`,
      );
    }
    this.#store.journal.transaction(() => {
      if (upTo < this.#done) {
        this.#store.journal.clear();
        this.#done = 0;
      }
      for (const event of events.slice(this.#done, upTo)) replay(this.#store, event);
      this.#done = upTo;
    });
    this.#step = wanted;
  }
}
