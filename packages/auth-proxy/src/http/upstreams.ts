import type { IncomingMessage, ServerResponse } from 'node:http';
import { createUpstream, isRepeatable, type Upstream, type UpstreamHooks } from './upstream.ts';

/** One of several processes that serve the same site. */
interface Member {
  readonly upstream: Upstream;
  /** Requests that it is working on. */
  underWay: number;
  /** Could not be connected to, and is asked last until then: ms of the monotonic clock. */
  restsUntil: number;
}

// What is being started again is tried again after so long, ms.
const REST_MS = 1_000;

/** Codes of a connection that never came about. */
const NOT_CONNECTED: ReadonlySet<string | undefined> = new Set([
  'ECONNREFUSED',
  'ENOENT',
  'EAGAIN',
  'EHOSTUNREACH',
]);

/**
 * Upstreams that serve the same site, as one: a request goes to the first of those that are working on the fewest. One that cannot
 * be connected to is passed over, so that a restart of it is not noticed.
 *
 * @param isBalanced - Whether the request for this path and query may go to any of them; else the first gets it while it is there.
 */
export function createUpstreams(
  addresses: readonly string[],
  timeoutMs: number,
  isBalanced: (target: string) => boolean,
  hooks: UpstreamHooks,
): Upstream {
  const [only = '', ...others] = addresses;
  if (others.length === 0) return createUpstream(only, timeoutMs, hooks);
  const failedAt = new WeakMap<IncomingMessage, Set<Member>>();

  const pick = (req: IncomingMessage): Member => {
    const now = performance.now();
    const failed = failedAt.get(req);
    const isBalancedRequest = isBalanced(req.url ?? '');
    const rank = (member: Member): number =>
      (member.restsUntil > now ? 1e9 : 0) + (isBalancedRequest ? member.underWay : 0);
    return members
      .filter((member) => failed?.has(member) !== true)
      .reduce((best, member) => (rank(member) < rank(best) ? member : best));
  };
  const web = (req: IncomingMessage, res: ServerResponse): void => {
    const member = pick(req);
    member.underWay += 1;
    res.once('close', () => (member.underWay -= 1));
    member.upstream.web(req, res);
  };
  const members = addresses.map((address) => {
    const member: Member = {
      underWay: 0,
      restsUntil: 0,
      upstream: createUpstream(address, timeoutMs, {
        ...hooks,
        onFailure: (error, req, to) => {
          const { code } = error as NodeJS.ErrnoException;
          if (NOT_CONNECTED.has(code)) member.restsUntil = performance.now() + REST_MS;
          const failed = failedAt.get(req) ?? new Set();
          failedAt.set(req, failed.add(member));
          const others = failed.size < members.length;
          // Whoever has waited for as long as anybody may is told so.
          if (others && code !== 'ETIMEDOUT' && 'writeHead' in to && isRepeatable(req, to)) {
            // Each attempt listens for the end of the answer.
            to.setMaxListeners(to.getMaxListeners() + 10);
            web(req, to);
            return;
          }
          hooks.onFailure(error, req, to);
        },
      }),
    };
    return member;
  });

  return {
    hosts: new Set(members.flatMap(({ upstream }) => [...upstream.hosts])),
    web,
    upgrade: (req, socket, head) => {
      const member = pick(req);
      member.underWay += 1;
      socket.once('close', () => (member.underWay -= 1));
      member.upstream.upgrade(req, socket, head);
    },
    close: () => {
      for (const { upstream } of members) upstream.close();
    },
  };
}
