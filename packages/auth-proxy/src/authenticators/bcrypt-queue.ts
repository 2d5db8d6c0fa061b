import { Worker } from 'node:worker_threads';

/** Compares bcrypt hashes in a thread of its own, taking turns between clients. */
export interface BcryptQueue {
  /** Undefined when this client has too many comparisons waiting. */
  compare(clientKey: string, password: string, hash: string): Promise<boolean | undefined>;
  close(): Promise<void>;
}

interface Job {
  readonly password: string;
  readonly hash: string;
  readonly done: (same: boolean | undefined) => void;
}

const MAX_PER_CLIENT = 8;
const MAX_CLIENTS = 10_000;

/** The thread starts with the first comparison. */
export function createBcryptQueue(): BcryptQueue {
  // A Map keeps insertion order: taking the first client and putting it last again is round robin.
  const waiting = new Map<string, Job[]>();
  let worker: Worker | undefined;
  let running: Job | undefined;
  let closed = false;

  const startWorker = (): Worker => {
    // Sources run as .ts, the package as .js.
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const started = new Worker(new URL(`./htpasswd-worker.${extension}`, import.meta.url), { env: {} });
    started.unref();
    started.on('message', (same: boolean) => finish(same));
    started.on('error', () => {
      worker = undefined;
      finish(false);
    });
    return started;
  };
  const finish = (same: boolean): void => {
    const job = running;
    running = undefined;
    job?.done(same);
    next();
  };
  const next = (): void => {
    if (running !== undefined || closed) return;
    for (const [clientKey, jobs] of waiting) {
      waiting.delete(clientKey);
      const job = jobs.shift();
      if (jobs.length > 0) waiting.set(clientKey, jobs);
      if (job === undefined) continue;
      running = job;
      worker ??= startWorker();
      worker.postMessage({ password: job.password, hash: job.hash });
      return;
    }
  };

  return {
    compare: (clientKey, password, hash) =>
      new Promise((done) => {
        const jobs = waiting.get(clientKey) ?? [];
        if (closed || jobs.length >= MAX_PER_CLIENT || waiting.size >= MAX_CLIENTS) return done(undefined);
        jobs.push({ password, hash, done });
        waiting.set(clientKey, jobs);
        next();
      }),
    close: async () => {
      closed = true;
      running?.done(undefined);
      for (const job of [...waiting.values()].flat()) job.done(undefined);
      waiting.clear();
      await worker?.terminate();
    },
  };
}
