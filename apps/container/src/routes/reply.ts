import type { IncomingMessage, ServerResponse } from 'node:http';

/** A handler for express and node:http alike. */
export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** Answers with JSON that no cache keeps. */
export function replyJson(response: ServerResponse, status: number, body: unknown): void {
  reply(response, status, 'application/json; charset=utf-8', `${JSON.stringify(body)}\n`);
}

/** Answers with a text that no cache keeps. */
export function reply(response: ServerResponse, status: number, type: string, body: string): void {
  response.statusCode = status;
  response.setHeader('Content-Type', type);
  response.setHeader('Content-Length', Buffer.byteLength(body));
  response.setHeader('Cache-Control', 'no-store');
  response.end(body);
}

/** The query of a request. */
export function queryOf(request: IncomingMessage): URLSearchParams {
  return new URL(request.url ?? '/', 'http://localhost').searchParams;
}
