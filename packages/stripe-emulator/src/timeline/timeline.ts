import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { EmulatorError } from '../errors.ts';
import type { StripeEvent } from '../types.ts';

/** A recorded timeline: its events, and how many have happened at each step. */
export interface Timeline {
  readonly events: readonly StripeEvent[];
  /** `seen[n]`: how many events had happened when the recorded download n was made; the last: all. */
  readonly seen: readonly number[];
  readonly accountId: string;
  readonly apiVersion: string;
  /** Seconds since 1970, before everything that the events show. */
  readonly accountCreated: number;
}

interface Meta {
  steps?: { i?: number; event_indexes?: number[]; download?: { file?: string } }[];
}

function read(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new EmulatorError('EMULATOR_TIMELINE', `cannot read ${file}: ${(cause as Error).message}`, {
      cause,
    });
  }
}

/** When a recorded download began, in seconds since 1970; undefined when it does not say. */
function downloadStart(file: string): number | undefined {
  if (!existsSync(file)) return undefined;
  const url = pathToFileURL(file);
  url.searchParams.set('immutable', '1'); // the folder may be read-only; a WAL file opens there no other way
  try {
    const db = new DatabaseSync(url, { readOnly: true });
    try {
      const run = db.prepare('SELECT min(start_ts) AS start FROM td_runs').get() as { start: string | null };
      const ms = run.start === null ? NaN : Date.parse(`${run.start.replace(' ', 'T')}Z`);
      return Number.isNaN(ms) ? undefined : ms / 1000;
    } finally {
      db.close();
    }
  } catch {
    return undefined; // not tdog's, or damaged: the order of the steps stands
  }
}

/**
 * How many events each step has seen. A recorder downloads first and acts then, so the events of step N are not in
 * download N; only where the download itself says that it began after them, they are.
 */
function seenBySteps(dir: string, meta: Meta, events: readonly StripeEvent[]): number[] {
  const seen: number[] = [];
  let happened = 0;
  for (const [n, step] of (meta.steps ?? []).entries()) {
    const after = Math.max(happened, ...(step.event_indexes ?? []).map((index) => index + 1));
    const last = events[after - 1];
    const start = downloadStart(join(dir, step.download?.file ?? `downloads/dl-step-${n}.sqlite`));
    const late = after > happened && start !== undefined && last !== undefined && start > last.created + 1;
    seen.push(late ? after : happened);
    happened = after;
  }
  seen.push(events.length);
  return seen;
}

/**
 * Reads a folder `{events.json, meta.json, …}`; without `meta.json` there are two steps, nothing and everything.
 * @throws {@link EmulatorError} EMULATOR_TIMELINE
 */
export function readTimeline(dir: string): Timeline {
  const file = join(dir, 'events.json');
  const parsed = read(file);
  const list = Array.isArray(parsed) ? parsed : (parsed as { events?: unknown } | null)?.events;
  if (!Array.isArray(list)) {
    throw new EmulatorError('EMULATOR_TIMELINE', `${file} holds no list of events`);
  }
  const events = list as StripeEvent[];
  for (const [index, event] of events.entries()) {
    if (
      typeof event?.id !== 'string' ||
      typeof event.type !== 'string' ||
      typeof event.data?.object !== 'object'
    ) {
      throw new EmulatorError('EMULATOR_TIMELINE', `${file}: element ${index} is no event`);
    }
  }
  const metaFile = join(dir, 'meta.json');
  const meta = existsSync(metaFile) ? (read(metaFile) as Meta) : { steps: [{}] };
  const text = JSON.stringify(events);
  const times = [...text.matchAll(/"(?:created|date)":(\d{9,11})/g)].map((match) => Number(match[1]));
  const version = events[0]?.['api_version'];
  return {
    events,
    seen: seenBySteps(dir, meta, events),
    accountId: /acct_\w+/.exec(text)?.[0] ?? 'acct_timeline',
    apiVersion: typeof version === 'string' ? version : '2020-08-27',
    accountCreated: times.length === 0 ? 0 : Math.min(...times) - 60,
  };
}
