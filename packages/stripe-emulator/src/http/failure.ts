/** An answer that is an error of Stripe's. */
export class Failure extends Error {
  readonly status: number;
  readonly type: string;
  readonly details: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    message: string,
    details: Readonly<Record<string, unknown>> = {},
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
    this.status = status;
    this.type =
      typeof details['type'] === 'string'
        ? details['type']
        : status >= 500
          ? 'api_error'
          : 'invalid_request_error';
    this.details = details;
    this.headers = headers;
  }

  /** The body as Stripe writes it. */
  body(): Record<string, unknown> {
    const code = this.details['code'];
    return {
      error: {
        ...this.details,
        ...(typeof code === 'string' ? { doc_url: docUrl(code) } : {}),
        message: this.message,
        type: this.type,
      },
    };
  }
}

const docUrl = (code: string): string => `https://stripe.com/docs/error-codes/${code.replaceAll('_', '-')}`;

/** 404 for an id that is not there; in a parameter 400 or 404 is Stripe's habit: 404 in the path, 400 in the body. */
export function missing(object: string, id: string, param = 'id', status = 404): Failure {
  const name = object.replace(/^.*\./, '').replaceAll('_', ' ').replace('sku', 'sku');
  return new Failure(status, `No such ${name}: '${id}'`, { code: 'resource_missing', param });
}

/** 400 for a parameter that the path does not take. */
export function unknownParameters(names: readonly string[]): Failure {
  const list = names.join(', ');
  return new Failure(
    400,
    names.length === 1 ? `Received unknown parameter: ${list}` : `Received unknown parameters: ${list}`,
    { code: 'parameter_unknown', param: names[0] },
  );
}

/** 400 for a parameter that is needed. */
export function parameterMissing(name: string): Failure {
  return new Failure(400, `Missing required param: ${name}.`, { code: 'parameter_missing', param: name });
}

/** 400 for a value that cannot be. */
export function invalid(param: string, message: string, code?: string): Failure {
  return new Failure(400, message, { param, ...(code === undefined ? {} : { code }) });
}
