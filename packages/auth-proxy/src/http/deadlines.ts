import type { ClientRequest } from 'node:http';
import type { Socket } from 'node:net';

/** By when the upstream must have begun its answers. */
export interface Deadlines {
  begin(upstreamRequest: ClientRequest): void;
  end(socket: Socket): void;
  close(): void;
}

/** One per connection to the upstream, for as long as that is open: nothing is made per request. */
interface Connection {
  waiting: ClientRequest | undefined;
  /** ms of the monotonic clock. */
  since: number;
  /** Bytes that had been sent then: while an upload moves on, nobody is late. */
  sent: number;
}

// How often is looked: a limit may be exceeded by two looks.
const LOOKS_PER_LIMIT = 8;

/**
 * One timer for all requests: Node's own per request, set and taken back, cost a thirtieth of its work. A Map with
 * an entry per request is worse: the tables that it outgrows keep dead requests from being collected early.
 */
export function createDeadlines(timeoutMs: number): Deadlines {
  if (timeoutMs <= 0) return { begin: () => {}, end: () => {}, close: () => {} };
  const connections = new Map<Socket, Connection>();

  const look = (): void => {
    const now = performance.now();
    for (const [socket, connection] of connections) {
      if (connection.waiting === undefined) continue;
      const sent = bytesSent(socket);
      if (sent !== connection.sent) {
        connection.sent = sent;
        connection.since = now;
      } else if (now - connection.since >= timeoutMs) {
        connection.waiting.destroy(Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' }));
      }
    }
  };
  const timer = setInterval(look, Math.ceil(timeoutMs / LOOKS_PER_LIMIT)).unref();

  return {
    begin: (upstreamRequest) => {
      const { socket } = upstreamRequest;
      if (socket === null) return;
      let connection = connections.get(socket);
      if (connection === undefined) {
        connection = { waiting: undefined, since: 0, sent: 0 };
        connections.set(socket, connection);
        socket.once('close', () => connections.delete(socket));
      }
      connection.waiting = upstreamRequest;
      connection.since = performance.now();
    },
    end: (socket) => {
      const connection = connections.get(socket);
      if (connection !== undefined) connection.waiting = undefined;
    },
    close: () => clearInterval(timer),
  };
}

function bytesSent(socket: Socket): number {
  return socket.bytesWritten - socket.writableLength;
}
