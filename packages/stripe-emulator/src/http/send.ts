import type { ServerResponse } from 'node:http';
import type { Answer } from './server.ts';

/** Sends an answer as it should be. */
export function send(response: ServerResponse, answer: Answer): void {
  const body = typeof answer.body === 'string' ? Buffer.from(answer.body) : answer.body;
  response.writeHead(answer.status, { ...answer.headers, 'Content-Length': body.length });
  response.end(body);
}

/** Sends an answer badly: cut off in the middle, or drop by drop. */
export function sendBadly(
  response: ServerResponse,
  answer: Answer,
  how: { readonly reset: boolean; readonly bytesPerSecond: number | undefined },
): void {
  const body = typeof answer.body === 'string' ? Buffer.from(answer.body) : answer.body;
  const end = how.reset ? Math.floor(body.length / 2) : body.length;
  response.writeHead(answer.status, { ...answer.headers, 'Content-Length': body.length });
  const stepMs = 20;
  const step =
    how.bytesPerSecond === undefined ? end : Math.max(1, Math.floor((how.bytesPerSecond * stepMs) / 1000));
  let at = 0;
  const next = (): void => {
    if (response.destroyed) return;
    const part = body.subarray(at, Math.min(at + step, end));
    at += part.length;
    if (at < end) {
      response.write(part, () => setTimeout(next, stepMs).unref());
    } else if (how.reset) {
      // The half that was promised never comes: the connection is reset, not closed.
      response.write(part, () => response.socket?.resetAndDestroy());
    } else {
      response.end(part);
    }
  };
  next();
}
