import { createPollClock, readAllowance, type Allowance } from './allowance.ts';
import { workTodo } from './download/todo.ts';
import type { Engine } from './engine.ts';
import { applyEvents } from './events/apply.ts';
import { createOverlapClock, pollEvents, readOverlap } from './events/poll.ts';
import { isEvent } from './events/store-events.ts';
import type { Meter } from './meter.ts';
import { createProver } from './proof/prover.ts';
import { reconcile } from './proof/reconcile.ts';
import { readTails } from './proof/tails.ts';
import type { StripeEvent } from './options.ts';
import { ApiProblem } from './stripe/problem.ts';
import type { Control } from './sync.ts';

/** How often the allowance is counted anew. */
const ALLOWANCE_EVERY_MS = 60_000;
/** While the key is refused: how often the engine itself asks again. */
const REST_MS = 600_000;
/** While resting: how often the clock is looked at, as it may jump (a machine that slept). */
const REST_STEP_MS = 1_000;
/** Where the key may not read events: how often that is asked again. */
const ASK_AGAIN_MS = 600_000;
/** How long after newer events a webhook's own still counts as fresh. */
const FRESH_SECONDS = 60;
/** How often lists without events are read again, at least this far apart. */
const TAILS_EVERY_MS = 900_000;

/** Keeps the file current until the signal aborts. */
export async function watch(engine: Engine, control: Control, meter: Meter): Promise<void> {
  const { options, signal } = engine;
  const clock = createPollClock({
    fixedMs: options.pollIntervalMs,
    ownBase: options.ownBase,
    now: options.steady,
  });
  const overlap = createOverlapClock(options.steady);
  const prover = createProver(engine);
  let allowance: Allowance = readAllowance(engine);
  let allowanceAt = options.steady();
  let tailsAt = options.steady();
  let eventsAskedAt = options.steady();
  control.phase = 'watching';
  while (!signal.aborted) {
    const begun = performance.now();
    try {
      if (control.keyVerdict === 'refused') await rest(engine, control);
      if (signal.aborted) return;
      if (control.looked) clock.lively();
      control.looked = false;
      let events = await applyIncoming(engine, control);
      // Everything that happened before is in the poll's answer; what comes after it may take its time.
      const asOf = options.now();
      const askAgain = options.steady() - eventsAskedAt > ASK_AGAIN_MS;
      if (askAgain) eventsAskedAt = options.steady();
      const polled = await pollEvents(engine, askAgain);
      events += polled.events;
      if (polled.tooFarBehind) await reconcile(engine);
      overlap.note(events);
      if (overlap.due()) events += await readOverlap(engine);
      control.lastPollAt = options.now();
      if (events > 0) clock.lively();
      if (events > 0 || options.steady() - tailsAt > TAILS_EVERY_MS) {
        const all = options.steady() - tailsAt > TAILS_EVERY_MS;
        await readTails(engine, all);
        if (all) tailsAt = options.steady();
      }
      if (engine.state.todo().count() > 0)
        await workTodo(engine, 'fan-out', () => control.incoming.length > 0 || control.looked);
      if (events > 0 || meter.due()) await engine.commit(() => meter.beat(engine, asOf));
      if (options.steady() - allowanceAt > ALLOWANCE_EVERY_MS) {
        allowance = readAllowance(engine);
        allowanceAt = options.steady();
      }
      control.pollIntervalMs = clock.interval(allowance);
      if (events === 0) await prover.step(allowance, () => control.incoming.length > 0 || control.looked);
    } catch (error) {
      if (!(error instanceof ApiProblem)) throw error;
      if (error.kind === 'stopped') return;
      if (error.kind === 'limited') throw error;
      if (error.kind !== 'refused')
        engine.logger.warn({ status: error.status, requestId: error.requestId }, `stripe: ${error.message}`);
    }
    await wait(control, signal, control.pollIntervalMs - (performance.now() - begun));
  }
}

/** A refused key: no requests until Stripe is known to accept it again, or it is time to ask once more. */
async function rest(engine: Engine, control: Control): Promise<void> {
  control.phase = 'resting';
  engine.logger.warn('stripe refuses the key; resting until it is accepted again');
  const asked = engine.options.steady();
  while (!engine.signal.aborted && control.keyVerdict === 'refused') {
    const left = asked + REST_MS - engine.options.steady();
    if (left <= 0) break;
    // Who looks, or a webhook, changes nothing about the key; both are dealt with when it is accepted again.
    await pause(control, engine.signal, Math.min(left, REST_STEP_MS));
  }
  control.toldRefused = false;
  control.phase = 'watching';
}

async function applyIncoming(engine: Engine, control: Control): Promise<number> {
  const events = control.incoming.splice(0).filter((event) => isEvent(event) && isOurs(engine, event));
  if (events.length === 0) return 0;
  events.sort((a, b) => a.created - b.created);
  const horizon = engine.state.get('horizon');
  return applyEvents(engine, events, {
    horizon: horizon === undefined ? undefined : Number(horizon) - FRESH_SECONDS,
  });
}

/** A platform's endpoint gets the events of connected accounts too, and may get those of the other mode. */
function isOurs(engine: Engine, event: StripeEvent): boolean {
  const { account, context } = event as { readonly account?: unknown; readonly context?: unknown };
  return (
    event.livemode === engine.account.livemode &&
    [account, context].every((id) => typeof id !== 'string' || id === engine.account.id)
  );
}

/** Waits, unless somebody looks, a webhook comes or the engine stops. */
async function wait(control: Control, signal: AbortSignal, ms: number): Promise<void> {
  if (control.looked || control.incoming.length > 0) return;
  await pause(control, signal, ms);
}

/** Waits until something changes. */
async function pause(control: Control, signal: AbortSignal, ms: number): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const finish = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', finish);
      control.wake = () => undefined;
      resolve();
    };
    const timer = setTimeout(finish, Math.max(0, ms));
    signal.addEventListener('abort', finish, { once: true });
    control.wake = finish;
  });
}
