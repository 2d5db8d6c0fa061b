import type { Engine } from '../engine.ts';
import { isStored, storeEvents } from '../events/store-events.ts';
import type { StripeEvent } from '../options.ts';
import type { StripeObject } from '../model/values.ts';
import { ApiProblem } from '../stripe/problem.ts';
import type { Page } from '../stripe/api.ts';
import type { ListPlan } from './lists.ts';
import {
  createWindows,
  PAGE_SIZE,
  recoverCursor,
  windowQuery,
  type Window,
  type Windows,
} from './windows.ts';
import { flattenPage, writeFlat } from './write-page.ts';

/** How the walk of one list ended. */
export interface WalkResult {
  readonly state: 'done' | 'skipped' | 'failed';
  readonly error: string | undefined;
}

/** What was saved of a list that is on its way. */
export interface SavedWalk {
  readonly windows?: string;
  readonly expand?: boolean;
  readonly done?: WalkResult;
}

/** Options of {@link walkList}. */
export interface WalkOptions {
  readonly saved: SavedWalk | undefined;
  /** Called in the transaction of each page. */
  readonly save: (saved: SavedWalk, page: { readonly objects: number; readonly share: number }) => void;
  /** The table was empty when the download began. */
  readonly bulk: boolean;
  /** Called once, when few pages are left: the time for what need not wait for the last one. */
  readonly onNearEnd: () => Promise<void>;
  /** Begun before lists of which nothing is known either. */
  readonly usuallyLong: boolean;
  /** Base priority; among equals the list with the most left goes first. */
  readonly priority: number;
}

/** What a list that has not begun is taken to have to come: this if it is usually long, and as much for each second that it waits. */
const UNKNOWN_PAGES = 200;
/** Part of the pages that is behind when {@link WalkOptions.onNearEnd} is called, and the shortest list for which it is. */
const NEAR_END = 0.93;
const MIN_PAGES_NEAR_END = 50;
/** Windows of one list that are walked at once. */
const MAX_WINDOWS = 15;
/** Tries of one page before the page is made smaller, and before the table is given up for now. */
const TRIES_FULL = 4;
const TRIES_SMALL = 6;
const SMALL_PAGE = 20;
/** How far back events go. */
const EVENT_SECONDS = 31 * 86_400;

/** Walks one list to its end; each page is written in one transaction with its cursor. */
export async function walkList(engine: Engine, plan: ListPlan, options: WalkOptions): Promise<WalkResult> {
  if (options.saved?.done !== undefined) return options.saved.done;
  const walk = new Walk(engine, plan, options);
  return walk.run();
}

class Walk {
  readonly #engine: Engine;
  readonly #plan: ListPlan;
  readonly #options: WalkOptions;
  readonly #windows: Windows;
  #expand: boolean;
  #limit = PAGE_SIZE;
  #started = false;
  readonly #running = new Set<Promise<void>>();
  readonly #endpoint: string;
  #failure: Error | undefined;
  #stampSeen = false;
  #nearEnd = false;
  readonly #begun: number;

  constructor(engine: Engine, plan: ListPlan, options: WalkOptions) {
    this.#engine = engine;
    this.#plan = plan;
    this.#options = options;
    this.#begun = engine.options.steady();
    this.#endpoint = `GET ${plan.path}`;
    this.#expand = options.saved?.expand ?? true;
    const nowSeconds = Math.floor(engine.options.now() / 1_000);
    // Stripe keeps events for 30 days, however old the account is.
    const floor = plan.table === 'notification_events' ? nowSeconds - EVENT_SECONDS : engine.account.created;
    this.#windows = createWindows(floor, nowSeconds, options.saved?.windows);
    this.#started = options.saved?.windows !== undefined;
  }

  async run(): Promise<WalkResult> {
    const { open } = this.#windows;
    for (const window of [...open]) this.#start(window);
    while (this.#running.size > 0) await Promise.race(this.#running);
    if (this.#failure === undefined) return this.#end({ state: 'done', error: undefined });
    if (!(this.#failure instanceof ApiProblem)) throw this.#failure;
    const { kind, message, whyUnreadable } = this.#failure;
    switch (kind) {
      case 'forbidden':
        return this.#end({ state: 'skipped', error: whyUnreadable });
      case 'no-endpoint':
      case 'missing':
      case 'rejected':
        if (this.#plan.optional) return this.#end({ state: 'done', error: undefined });
        // An account without the product answers the very first page so.
        return this.#end({
          state: this.#started ? 'failed' : 'skipped',
          error: whyUnreadable,
        });
      case 'trouble':
        return { state: 'failed', error: message };
      default:
        throw this.#failure;
    }
  }

  async #end(result: WalkResult): Promise<WalkResult> {
    if (result.state !== 'failed')
      await this.#engine.commit(() => this.#options.save({ done: result }, { objects: 0, share: 1 }));
    return result;
  }

  #start(window: Window): void {
    const running: Promise<void> = this.#walk(window)
      .catch((error: unknown) => {
        this.#failure ??= error instanceof Error ? error : new Error(String(error));
      })
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  async #walk(window: Window): Promise<void> {
    for (;;) {
      if (this.#failure !== undefined) return;
      const page = await this.#page(window);
      const last = page.data.at(-1);
      const created = last === undefined ? undefined : (last['created'] ?? last['date']);
      const facts = {
        count: page.data.length,
        hasMore: page.has_more && this.#plan.paged,
        lastId: typeof last?.['id'] === 'string' ? last['id'] : undefined,
        lastCreated: typeof created === 'number' ? created : undefined,
      };
      // Noted inside the transaction and taken back with it: a cursor never stands ahead of its rows.
      let noted: ReturnType<Windows['page']> | undefined;
      await this.#engine.commit(
        () => {
          const objects = this.#write(page.data);
          noted = this.#windows.page(window, facts);
          this.#options.save(
            { windows: this.#windows.save(), expand: this.#expand },
            { objects, share: this.#plan.windows ? this.#windows.share() : 0 },
          );
        },
        () => {
          noted?.undo();
          noted = undefined;
        },
      );
      this.#started = true;
      this.#fillSlots();
      if (noted?.finished === true) return;
      if (!this.#nearEnd && this.#plan.windows && this.#isNearEnd()) {
        this.#nearEnd = true;
        await this.#options.onNearEnd();
      }
    }
  }

  #isNearEnd(): boolean {
    const share = this.#windows.share();
    return share > NEAR_END && this.#windows.remaining() > MIN_PAGES_NEAR_END * (1 - share);
  }

  #fillSlots(): void {
    while (
      this.#plan.windows &&
      this.#windows.open.length < MAX_WINDOWS &&
      this.#engine.api.gate.free(this.#endpoint) > 1
    ) {
      const window = this.#windows.split();
      if (window === undefined) return;
      this.#start(window);
    }
  }

  async #page(window: Window): Promise<Page> {
    const { api } = this.#engine;
    for (;;) {
      const expanding = this.#expand && this.#plan.expand.length > 0;
      const query = [
        ...(this.#plan.paged ? windowQuery(window, this.#limit) : []),
        ...this.#plan.params,
        ...(expanding ? this.#plan.expand.map((path) => `expand[]=${path}`) : []),
      ];
      const path = query.length === 0 ? this.#plan.path : `${this.#plan.path}?${query.join('&')}`;
      const get = {
        endpoint: this.#endpoint,
        purpose: 'download' as const,
        priority: () => this.#options.priority + Math.min(9e5, this.#pagesToCome()),
        maxAttempts: this.#limit === PAGE_SIZE ? TRIES_FULL : TRIES_SMALL,
      };
      try {
        if (this.#plan.single) return { data: [await api.get(path, get)], has_more: false };
        return await api.list(path, get);
      } catch (error) {
        if (!(error instanceof ApiProblem)) throw error;
        if (error.mayBeExpansion && expanding) {
          this.#expand = false;
          this.#engine.logger.warn(
            { table: this.#plan.table },
            `stripe: ${error.message}; going on without expanding`,
          );
        } else if ((error.kind === 'missing' || error.kind === 'rejected') && this.#recover(window)) {
          this.#engine.logger.info(
            { table: this.#plan.table },
            'the object at the cursor is gone; going on by time',
          );
        } else if (error.kind === 'trouble' && this.#limit > SMALL_PAGE) this.#limit = SMALL_PAGE;
        else throw error;
      }
    }
  }

  #pagesToCome(): number {
    if (this.#started) return this.#windows.remaining();
    const seconds = (this.#engine.options.steady() - this.#begun) / 1_000;
    return UNKNOWN_PAGES * (seconds + (this.#options.usuallyLong ? 1 : 0));
  }

  #recover(window: Window): boolean {
    if (window.cursor === undefined) return false;
    if (this.#plan.windows && recoverCursor(window)) return true;
    if (this.#plan.windows) return false;
    // No time to go by: from the top again. Rows that are there already do not change.
    delete window.cursor;
    return true;
  }

  #write(data: readonly StripeObject[]): number {
    const { plan, engine } = { plan: this.#plan, engine: this.#engine };
    if (plan.table === 'notification_events') {
      storeEvents(
        engine,
        this.#beforeStamp(data as unknown as readonly StripeEvent[]).toReversed(),
        'before',
      );
      return data.length;
    }
    const flat = flattenPage(engine, [plan.table], data, undefined, this.#expand);
    writeFlat(engine, flat, { bulk: this.#options.bulk });
    engine.counters.objects += flat.writes.length;
    return data.length;
  }

  /**
   * What happened since the stamp is left to be applied: an event that is stored counts as applied. Within the stamp's
   * second the list's order tells, newest first.
   */
  #beforeStamp(events: readonly StripeEvent[]): readonly StripeEvent[] {
    const stamp = Number(this.#engine.state.get('stamp_created') ?? '0');
    const stampId = this.#engine.state.get('stamp_id');
    // A walk that goes on after a restart may have passed it before.
    this.#stampSeen ||= stampId !== undefined && isStored(this.#engine, stampId);
    return events.filter((event) => {
      if (event.id === stampId) this.#stampSeen = true;
      return event.created < stamp || (event.created === stamp && this.#stampSeen);
    });
  }
}
