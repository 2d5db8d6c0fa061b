import { createHash } from 'node:crypto';
import { Failure } from './failure.ts';
import type { Params } from './params.ts';
import { failed, type Answer, type RequestInfo } from './server.ts';

interface Kept {
  readonly fingerprint: string;
  readonly answer: Answer;
  readonly requestId: string;
  readonly at: number;
}

const keptMs = 24 * 3600 * 1000;
const keptMost = 10_000;

/** Answers a repeated idempotency key with the first answer, for a day. */
export class Idempotency {
  readonly #kept = new Map<string, Kept>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Runs the work once per key. @throws Failure 400 when the key comes with other parameters */
  once(info: RequestInfo, params: Params, work: () => Answer): Answer {
    const header = info.request.headers['idempotency-key'];
    const key = Array.isArray(header) ? header[0] : header;
    if (key === undefined || key === '' || info.method !== 'POST') return work();
    if (key.length > 255) {
      throw new Failure(400, 'Idempotency key is too long, at most 255 characters are allowed.', {
        type: 'idempotency_error',
      });
    }
    const fingerprint = createHash('sha256')
      .update(`${info.method} ${info.path} ${JSON.stringify(params)}`)
      .digest('base64');
    const known = this.#kept.get(key);
    if (known !== undefined && this.#now() - known.at < keptMs) {
      if (known.fingerprint !== fingerprint) {
        throw new Failure(
          400,
          `Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than '${key}' if you meant to execute a different request.`,
          { type: 'idempotency_error' },
        );
      }
      const headers = {
        ...known.answer.headers,
        'Idempotency-Key': key,
        'Idempotent-Replayed': 'true',
        'Original-Request': known.requestId,
      };
      return { ...known.answer, headers };
    }
    const answer = this.#run(work);
    // A request that was refused before it began may be repeated; one that ran and failed is kept too.
    if (answer.status === 200 || answer.status === 402) {
      if (this.#kept.size >= keptMost) this.#kept.delete(this.#kept.keys().next().value ?? '');
      this.#kept.set(key, { fingerprint, answer, requestId: info.id, at: this.#now() });
    }
    return { ...answer, headers: { ...answer.headers, 'Idempotency-Key': key } };
  }

  #run(work: () => Answer): Answer {
    try {
      return work();
    } catch (error) {
      if (error instanceof Failure) return failed(error);
      throw error;
    }
  }
}
