import type { KeyVerdict, StripeEvent, SyncProgress } from '@datasette-stripe/tdog';
import type { EngineStart, FromEngine, ToEngine } from './children/messages.ts';

/** What the link needs of the supervisor. */
export interface Channel {
  send(name: string, message: unknown): boolean;
  onMessage(name: string, listener: (message: unknown) => void): () => void;
}

/** What {@link linkEngine} needs. */
export interface EngineLinkOptions {
  readonly channel: Channel;
  /** What the engine is to do, asked each time it starts. */
  readonly start: () => EngineStart;
  readonly onVerdict: (verdict: KeyVerdict, at: number) => void;
  /** Clock, ms. */
  readonly now: () => number;
}

/** Main's end of the engine's IPC channel. */
export interface EngineLink {
  /** Somebody looks: many calls become one message a second. */
  look(): void;
  /** Hands on a verified webhook's event; false when no engine runs. */
  deliver(event: StripeEvent): boolean;
  tellKey(verdict: KeyVerdict): void;
  /** Main has asked Stripe, which counts against the read allowance; what no engine hears is told to the next one. */
  countRead(): void;
  /** The download as the engine last told it; undefined before the first word. */
  progress(): SyncProgress | undefined;
  /** The search index is being built. */
  indexing(): boolean;
  /** Why the engine ended, in its own words. */
  lastError(): { readonly code: string; readonly message: string } | undefined;
}

/** So often at most the engine hears that somebody looks, ms. */
const lookEveryMs = 1000;

/** Talks with the engine child, over all its restarts. */
export function linkEngine({ channel, start, onVerdict, now }: EngineLinkOptions): EngineLink {
  const send = (message: ToEngine): boolean => channel.send('engine', message);
  let reads = 0;
  let lookedAt = -Infinity;
  let progress: SyncProgress | undefined;
  let indexing = false;
  let lastError: ReturnType<EngineLink['lastError']>;

  channel.onMessage('engine', (raw) => {
    const message = raw as FromEngine;
    if ('hello' in message) {
      indexing = false;
      send({ start: start() });
      if (reads > 0 && send({ reads })) reads = 0;
    } else if ('verdict' in message) onVerdict(message.verdict, message.at);
    else if ('progress' in message) progress = message.progress;
    else if ('indexing' in message) indexing = message.indexing;
    else if ('fatal' in message) lastError = message.fatal;
  });

  return {
    look() {
      if (now() - lookedAt < lookEveryMs) return;
      lookedAt = now();
      send({ poll: true });
    },
    deliver: (event) => send({ event }),
    tellKey(verdict) {
      send({ key: verdict });
    },
    countRead() {
      reads += 1;
      if (send({ reads })) reads = 0;
    },
    progress: () => progress,
    indexing: () => indexing,
    lastError: () => lastError,
  };
}
