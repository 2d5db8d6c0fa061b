import http from 'node:http';
import https from 'node:https';

import type Stripe from 'stripe';

/** Body limit: no Stripe page comes near it; an endless body must not end the process. */
const MAX_BODY = 256 * 1024 * 1024;

/**
 * The official client's transport, with what the mirror needs beyond it: connections that stay open, an end by signal,
 * and a status that survives a body which is not JSON (a proxy's 502 page).
 */
export class MirrorHttpClient {
  readonly #agent: http.Agent | https.Agent;
  readonly #signal: AbortSignal;

  constructor(secure: boolean, maxConnections: number, signal: AbortSignal) {
    const options = {
      keepAlive: true,
      maxSockets: maxConnections,
      scheduling: 'lifo' as const,
      noDelay: true,
    };
    this.#agent = secure ? new https.Agent(options) : new http.Agent(options);
    this.#signal = signal;
  }

  getClientName(): string {
    return 'node';
  }

  makeRequest(
    host: string,
    port: string | number,
    path: string,
    method: string,
    headers: object,
    requestData: string | null,
    protocol: string,
    timeout: number,
  ): Promise<MirrorResponse> {
    return new Promise((resolve, reject) => {
      const request = (protocol === 'http' ? http : https).request(
        {
          host,
          port,
          path,
          method,
          agent: this.#agent,
          headers: headers as http.OutgoingHttpHeaders,
          signal: this.#signal,
        },
        (response) => {
          const chunks: Buffer[] = [];
          let length = 0;
          response.on('data', (chunk: Buffer) => {
            chunks.push(chunk);
            length += chunk.length;
            if (length > MAX_BODY) response.destroy(new Error('the answer is too long'));
          });
          response.once('error', reject);
          response.once('close', () => {
            if (!response.complete)
              reject(new Error('the connection was closed in the middle of the answer'));
          });
          response.once('end', () => {
            // A body cut short before its announced length ends without an error on some proxies.
            if (response.complete) resolve(new MirrorResponse(response, chunks));
          });
        },
      );
      request.setTimeout(timeout, () => request.destroy(timeoutError()));
      request.once('error', reject);
      if (requestData !== null && requestData !== '') request.write(requestData);
      request.end();
    });
  }

  /** Closes the connections that are kept open. */
  close(): void {
    this.#agent.destroy();
  }
}

/** A complete answer. */
export class MirrorResponse {
  readonly #response: http.IncomingMessage;
  readonly #chunks: Buffer[];

  constructor(response: http.IncomingMessage, chunks: Buffer[]) {
    this.#response = response;
    this.#chunks = chunks;
  }

  getStatusCode(): number {
    return this.#response.statusCode ?? 0;
  }

  getHeaders(): Record<string, string> {
    return this.#response.headers as Record<string, string>;
  }

  getRawResponse(): http.IncomingMessage {
    return this.#response;
  }

  toStream(): never {
    throw new Error('the mirror reads no streams');
  }

  // Async, as the official client calls `.then` on what it gets.
  async toJSON(): Promise<unknown> {
    const text = (this.#chunks.length === 1 ? this.#chunks[0] : Buffer.concat(this.#chunks))?.toString(
      'utf8',
    );
    this.#chunks.length = 0;
    const status = this.getStatusCode();
    let body: unknown;
    try {
      body = JSON.parse(text ?? '');
    } catch (error) {
      if (status < 400) throw error;
    }
    if (status >= 400 && !hasError(body))
      return { error: { type: 'api_error', message: `HTTP ${status} without one of Stripe's error bodies` } };
    if (typeof body !== 'object' || body === null) throw new SyntaxError('the answer is no JSON object');
    return body;
  }
}

/** What the `stripe` package takes as its `httpClient`. */
export type StripeHttpClient = NonNullable<
  NonNullable<ConstructorParameters<typeof Stripe>[1]>['httpClient']
>;

function hasError(body: unknown): boolean {
  return typeof body === 'object' && body !== null && 'error' in body;
}

function timeoutError(): Error {
  return Object.assign(new TypeError('ETIMEDOUT'), { code: 'ETIMEDOUT' });
}
