import { isDeepStrictEqual } from 'node:util';

/** The part of JSON Schema that schema.json uses. */
interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly propertyNames?: Schema;
  readonly minProperties?: number;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly pattern?: string;
  readonly format?: string;
}

/**
 * Holds a value against a JSON Schema and returns all faults, one line each: `services.web.port: …`.
 * Written here because a general validator's messages for `oneOf` do not tell the user which line to mend.
 */
export function schemaFaults(root: object, value: unknown): string[] {
  const faults: string[] = [];
  const definitions = (root as { readonly $defs?: Readonly<Record<string, Schema>> }).$defs ?? {};

  const resolve = (schema: Schema): Schema =>
    schema.$ref === undefined ? schema : (definitions[schema.$ref.replace('#/$defs/', '')] ?? {});

  const visit = (given: Schema, at: unknown, path: string): void => {
    const schema = resolve(given);
    const fault = (expected: string): void => {
      faults.push(`${path === '' ? 'The configuration' : path}: expected ${expected}, got ${shown(at)}`);
    };
    const branches = (schema.oneOf ?? schema.anyOf)?.map(resolve);
    if (branches !== undefined) {
      const branch = pick(branches, at);
      if (branch !== undefined) visit(branch, at, path);
      else fault(describe(branches));
      return;
    }
    if (schema.const !== undefined && !isDeepStrictEqual(at, schema.const)) return fault(shown(schema.const));
    if (schema.enum !== undefined && !schema.enum.includes(at)) {
      return fault(`one of ${schema.enum.map(String).join(', ')}`);
    }
    if (schema.type !== undefined && ![schema.type].flat().some((type) => isType(type, at))) {
      return fault([schema.type].flat().join(' or '));
    }
    if (typeof at === 'string') checkString(schema, at, fault);
    if (typeof at === 'number') {
      if (schema.minimum !== undefined && at < schema.minimum) fault(`at least ${schema.minimum}`);
      if (schema.maximum !== undefined && at > schema.maximum) fault(`at most ${schema.maximum}`);
    }
    if (Array.isArray(at)) {
      const items = schema.items;
      if (items !== undefined) at.forEach((item, index) => visit(items, item, `${path}[${index}]`));
    } else if (isObject(at)) visitObject(schema, at, path, fault);
  };

  const visitObject = (
    schema: Schema,
    at: Readonly<Record<string, unknown>>,
    path: string,
    fault: (expected: string) => void,
  ): void => {
    const keys = Object.keys(at).filter((key) => at[key] !== undefined);
    if (schema.minProperties !== undefined && keys.length < schema.minProperties) {
      fault(`at least ${schema.minProperties} entry`);
    }
    for (const key of schema.required ?? []) {
      if (at[key] === undefined) faults.push(`${join(path, key)}: missing`);
    }
    for (const key of keys) {
      const inside = join(path, key);
      const names = schema.propertyNames?.pattern;
      if (names !== undefined && !new RegExp(names).test(key)) {
        faults.push(`${inside}: the name must match ${names}`);
        continue;
      }
      const property = schema.properties?.[key];
      if (property !== undefined) visit(property, at[key], inside);
      else if (schema.additionalProperties === false) {
        const known = Object.keys(schema.properties ?? {}).join(', ');
        faults.push(`${inside}: not known; known are ${known}`);
      } else if (typeof schema.additionalProperties === 'object') {
        visit(schema.additionalProperties, at[key], inside);
      }
    }
  };

  visit(root, value, '');
  return faults;
}

function checkString(schema: Schema, at: string, fault: (expected: string) => void): void {
  if (schema.minLength !== undefined && at.length < schema.minLength) fault('a text that is not empty');
  if (schema.pattern !== undefined && !new RegExp(schema.pattern).test(at)) {
    fault(`a text that matches ${schema.pattern}`);
  }
  if (schema.format === 'regex') {
    try {
      new RegExp(at);
    } catch {
      fault('a regular expression');
    }
  }
}

/** The branch meant: by its `type` property when the branches have one, else by the type of the value. */
function pick(branches: readonly Schema[], at: unknown): Schema | undefined {
  return branches.find((branch) => {
    const tag = branch.properties?.['type']?.const;
    if (tag !== undefined) return isObject(at) && at['type'] === tag;
    return branch.type !== undefined && [branch.type].flat().some((type) => isType(type, at));
  });
}

function describe(branches: readonly Schema[]): string {
  const tags = branches.flatMap((branch) => {
    const tag = branch.properties?.['type']?.const;
    return typeof tag === 'string' ? [tag] : [];
  });
  if (tags.length > 0) return `an object whose type is one of ${tags.join(', ')}`;
  return branches.flatMap((branch) => branch.type ?? []).join(' or ');
}

function isType(type: string, value: unknown): boolean {
  if (type === 'object') return isObject(value);
  if (type === 'array') return Array.isArray(value);
  if (type === 'integer') return Number.isInteger(value);
  if (type === 'number') return typeof value === 'number' && Number.isFinite(value);
  return typeof value === type;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function join(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`;
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? typeof value;
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}
