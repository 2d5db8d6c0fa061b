import type { Route } from '../api/routes.ts';

interface Node {
  readonly children: Map<string, Node>;
  wild: Node | undefined;
  readonly routes: Map<string, Route>;
}

const node = (): Node => ({
  children: new Map<string, Node>(),
  wild: undefined,
  routes: new Map<string, Route>(),
});

/** A route and the values of its path parameters. */
export interface Match {
  readonly route: Route;
  readonly path: Readonly<Record<string, string>>;
}

/** Last words of Stripe's paths that are no ids: without a route of its own such a path is unknown, as any other. */
const noIds = new Set(['search', 'create_preview']);

/** Finds routes by method and path. */
export class Router {
  readonly #root = node();

  constructor(routes: readonly Route[]) {
    for (const route of routes) this.#add(route);
  }

  #add(route: Route): void {
    let at = this.#root;
    for (const segment of route.path.split('/').slice(1)) {
      if (segment.startsWith('{')) {
        at.wild ??= node();
        at = at.wild;
      } else {
        let child = at.children.get(segment);
        if (child === undefined) at.children.set(segment, (child = node()));
        at = child;
      }
    }
    // The first to claim a path has it: particular routes come before those of the catalogue.
    if (!at.routes.has(route.method)) at.routes.set(route.method, route);
  }

  /** The route of a request, undefined when there is none. */
  match(method: string, path: string): Match | undefined {
    const segments = path.replace(/\/$/, '').split('/').slice(1);
    const values: string[] = [];
    const found = this.#walk(this.#root, method, segments, 0, values);
    if (found === undefined) return undefined;
    const names = [...found.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '');
    return { route: found, path: Object.fromEntries(names.map((name, i) => [name, values[i] ?? ''])) };
  }

  #walk(
    at: Node,
    method: string,
    segments: readonly string[],
    i: number,
    values: string[],
  ): Route | undefined {
    const segment = segments[i];
    if (segment === undefined) return at.routes.get(method);
    const child = at.children.get(segment);
    const hit = child && this.#walk(child, method, segments, i + 1, values);
    if (hit !== undefined) return hit;
    if (at.wild === undefined || segment === '' || noIds.has(segment)) return undefined;
    values.push(decodeURIComponent(segment));
    const wild = this.#walk(at.wild, method, segments, i + 1, values);
    if (wild === undefined) values.pop();
    return wild;
  }
}
