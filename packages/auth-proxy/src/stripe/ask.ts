/** What one question to Stripe with a key tells. */
export type StripeAnswer =
  /** 401: Stripe does not know the key, or not any more. */
  | { readonly state: 'refused'; readonly reason: string }
  /** Stripe knows the key (2xx, 403, 404, 429 and every other 4xx). */
  | { readonly state: 'live'; readonly status: number; readonly message: string; readonly body: unknown }
  /** 5xx, a redirect, a time-out or no network: nothing is known. */
  | { readonly state: 'unknown'; readonly reason: string };

/** How to ask. */
export interface AskOptions {
  readonly apiBase: string;
  readonly key: string;
  readonly path: string;
  readonly context?: string | undefined;
  readonly timeoutMs: number;
  readonly fetch: typeof fetch;
  readonly signal?: AbortSignal | undefined;
}

/** Asks Stripe once. Never rejects; no answer holds the key. */
export async function askStripe(options: AskOptions): Promise<StripeAnswer> {
  const limit = AbortSignal.timeout(options.timeoutMs);
  const signal = options.signal === undefined ? limit : AbortSignal.any([limit, options.signal]);
  try {
    const headers: Record<string, string> = { authorization: `Bearer ${options.key}` };
    if (options.context !== undefined) headers['stripe-context'] = options.context;
    const response = await options.fetch(new URL(options.path, options.apiBase), {
      headers,
      redirect: 'manual',
      signal,
    });
    const body = await readJson(response);
    const message = errorMessage(body);
    if (response.status === 401) return { state: 'refused', reason: message || 'Stripe answered 401.' };
    if (
      response.status >= 500 ||
      (response.status >= 300 && response.status < 400) ||
      response.status < 200
    ) {
      return { state: 'unknown', reason: `Stripe answered ${response.status}.` };
    }
    return { state: 'live', status: response.status, message, body };
  } catch (error) {
    return {
      state: 'unknown',
      reason: limit.aborted ? 'Stripe did not answer in time.' : networkReason(error),
    };
  }
}

async function readJson(response: Response): Promise<unknown> {
  const text = await response.text();
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function errorMessage(body: unknown): string {
  if (typeof body !== 'object' || body === null || !('error' in body)) return '';
  const { error } = body;
  if (typeof error !== 'object' || error === null || !('message' in error)) return '';
  // Stripe's messages show keys masked but for 4 characters; cut what is not printable for use in a header.
  return typeof error.message === 'string' ? error.message.replace(/[^\x20-\x7e]/g, '?').slice(0, 300) : '';
}

function networkReason(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = (cause as NodeJS.ErrnoException | undefined)?.code;
  return `Stripe could not be reached${code === undefined ? '' : ` (${code})`}.`;
}
