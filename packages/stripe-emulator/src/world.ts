import type { Logger } from 'pino';
import { ownAccount } from './api/account.ts';
import type { Account } from './api/context.ts';
import { readRoutes } from './api/routes.ts';
import { EmulatorError } from './errors.ts';
import type { FaultSettings } from './faults/settings.ts';
import { Router } from './http/router.ts';
import type { Answer, RequestInfo, Served } from './http/server.ts';
import type { ResolvedOptions } from './options.ts';
import { Journal } from './store/journal.ts';
import { createdOf, Store } from './store/store.ts';
import { replay } from './timeline/replay.ts';
import { readTimeline, type Timeline } from './timeline/timeline.ts';
import type { EmulatorState, StripeEvent, StripeObject } from './types.ts';

/** The account, what serves it, and what moves it. */
export interface World {
  readonly account: Account;
  readonly served: Omit<Served, 'key'>;
  readonly state: EmulatorState;
  start(): void;
  stop(): Promise<void>;
  advance(step: number): void;
  setFaults(faults: FaultSettings): void;
}

/** Builds the account out of its source. */
export function createWorld(options: ResolvedOptions, logger: Logger): World {
  const { source } = options;
  const timeline = 'timeline' in source ? readTimeline(source.timeline) : undefined;
  const journal = new Journal(timeline === undefined ? (options.stateFile ?? ':memory:') : ':memory:');
  const store = new Store(journal);
  const seconds = (): number => Math.floor(options.now() / 1000);
  const account: Account = {
    id: options.accountId ?? timeline?.accountId ?? 'acct_1Emulator00000000',
    store,
    recorded: timeline !== undefined,
    apiVersion: timeline?.apiVersion ?? options.apiVersion,
    now: options.now,
    random: options.random,
    own: () =>
      ownAccount({
        id: account.id,
        created: timeline?.accountCreated ?? seconds() - 3600,
        name: 'Emulated account',
        email: 'owner@example.com',
        country: 'GB',
        currency: 'gbp',
        url: 'https://example.com',
      }),
    balance: () => ({ object: 'balance', available: [], livemode: false, pending: [] }),
    eventVisible: () => true,
    emit: (type, object, previous) => emit(type, object, previous),
  };
  const emit = (type: string, object: StripeObject, previous?: Record<string, unknown>): StripeEvent => {
    const event: StripeEvent = {
      id: `evt_${Math.floor(options.random() * 1e15).toString(36)}`,
      object: 'event',
      api_version: account.apiVersion,
      created: seconds(),
      data: { object, ...(previous === undefined ? {} : { previous_attributes: previous }) },
      livemode: false,
      pending_webhooks: 0,
      request: { id: null, idempotency_key: null },
      type,
    };
    replay(store, event);
    return event;
  };
  const replayed = timeline === undefined ? undefined : new Replayed(timeline, store);
  replayed?.advance(
    ('timeline' in source ? source.untilStep : undefined) ?? timeline?.seen.length ?? 0,
    true,
  );
  const requests = new Map<string, number>();
  const served: Omit<Served, 'key'> = {
    account,
    router: new Router(readRoutes(account.recorded)),
    hooks: {
      before: () => undefined,
      send: (info: RequestInfo, answer: Answer) => {
        info.response.writeHead(answer.status, answer.headers);
        info.response.end(answer.body);
      },
      after: (info) => {
        const route = `${info.method} ${info.match?.route.path ?? info.path}`;
        requests.set(route, (requests.get(route) ?? 0) + 1);
      },
      admin: (request, response, path, body) => {
        if (request.method !== 'POST' || path !== '/_emulator/advance') return false;
        const step: unknown = (JSON.parse(body === '' ? '{}' : body) as { step?: unknown }).step;
        try {
          if (replayed === undefined || typeof step !== 'number') {
            throw new EmulatorError('EMULATOR_STEP', 'there is no such step');
          }
          replayed.advance(step);
          response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify({ step }));
        } catch (error) {
          response
            .writeHead(400, { 'Content-Type': 'application/json' })
            .end(JSON.stringify({ error: (error as Error).message }));
        }
        return true;
      },
    },
    once: (_info, _params, work) => work(),
  };
  logger.debug({ account: account.id }, 'emulator: account is ready');
  return {
    account,
    served,
    state: {
      get: (object, id) => store.get(object, id),
      all: (object) => [...store.walk({ object, direction: 'older' })].map((row) => row.object()),
      count: (object) => store.count(object),
      events: () =>
        [...store.walk({ object: 'event', direction: 'newer' })].map((row) => row.object() as StripeEvent),
      put: (object) => store.put(object, createdOf(object, seconds())),
      remove: (object, id) => store.remove(object, id),
      emit,
      requests: () => requests,
    },
    start: () => undefined,
    stop: async () => journal.close(),
    advance: (step) => {
      if (replayed === undefined) throw new EmulatorError('EMULATOR_STEP', 'there is no timeline to advance');
      replayed.advance(step);
    },
    setFaults: () => undefined,
  };
}

/** A timeline, played up to a step. */
class Replayed {
  readonly #timeline: Timeline;
  readonly #store: Store;
  #done = 0;

  constructor(timeline: Timeline, store: Store) {
    this.#timeline = timeline;
    this.#store = store;
  }

  /** Moves to a step, also back. @throws EmulatorError EMULATOR_STEP */
  advance(step: number, last = false): void {
    const { seen, events } = this.#timeline;
    const wanted = last ? Math.min(step, seen.length - 1) : step;
    const upTo = seen[wanted];
    if (upTo === undefined) {
      throw new EmulatorError(
        'EMULATOR_STEP',
        `no step ${step}: the timeline has steps 0 to ${seen.length - 1}`,
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
  }
}
