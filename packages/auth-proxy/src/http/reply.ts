import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

/** An answer of our own, complete. */
export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body: string;
}

const REASONS: Readonly<Record<number, string>> = {
  308: 'Permanent Redirect',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  429: 'Too Many Requests',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
};

/** Writes a reply. A body that is still coming in is not waited for: the connection closes after the answer. */
export function sendReply(req: IncomingMessage, res: ServerResponse, reply: Reply): void {
  if (res.headersSent) {
    res.destroy();
    return;
  }
  for (const [name, value] of Object.entries(reply.headers)) res.setHeader(name, value);
  const body = Buffer.from(reply.body);
  res.setHeader('Content-Length', body.length);
  // Left unread, the rest of the body would be taken for the next request.
  if (!req.complete && hasBody(req)) res.setHeader('Connection', 'close');
  res.statusCode = reply.status;
  res.end(req.method === 'HEAD' ? undefined : body);
}

/** Whether the request says that a body follows. */
export function hasBody(req: IncomingMessage): boolean {
  const length = req.headers['content-length'];
  return req.headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0');
}

/** Writes a reply to an upgrade request, which has no response object, and ends the connection. */
export function sendReplyToSocket(socket: Duplex, reply: Reply): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const body = Buffer.from(reply.body);
  const lines = [`HTTP/1.1 ${reply.status} ${REASONS[reply.status] ?? 'Error'}`];
  for (const [name, value] of Object.entries(reply.headers)) {
    for (const item of typeof value === 'string' ? [value] : value) lines.push(`${name}: ${item}`);
  }
  lines.push(`Content-Length: ${body.length}`, 'Connection: close', '', '');
  socket.on('error', () => socket.destroy());
  socket.end(Buffer.concat([Buffer.from(lines.join('\r\n'), 'latin1'), body]), () => socket.destroy());
}
