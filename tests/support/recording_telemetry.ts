/**
 * An OpenTelemetry API that keeps what is reported through it, for tests: the parts that
 * the package uses, with the API's own meaning.
 *
 * @module
 */
import { AsyncLocalStorage } from "node:async_hooks";

type Attributes = Record<string, unknown>;

/** A context: at most the span that is active in it. */
interface RecordedContext {
  readonly span: RecordedSpan | undefined;
}

const ROOT: RecordedContext = { span: undefined };

/** A span, as it was reported. */
export class RecordedSpan {
  /** Whether it was ended. */
  ended = false;
  /** Its status, if one was set. */
  status: { code: number; message?: string } | undefined;
  /** The exceptions that were recorded on it. */
  readonly exceptions: { name?: string; message?: string; stack?: string }[] = [];

  /**
   * Begins a span.
   *
   * @param name Its name.
   * @param kind Its kind.
   * @param attributes Its attributes; copied.
   * @param parent Its parent.
   */
  constructor(
    readonly name: string,
    readonly kind: number | undefined,
    readonly attributes: Attributes,
    readonly parent: RecordedSpan | undefined,
  ) {
    this.attributes = { ...attributes };
  }

  setAttribute(name: string, value: unknown): this {
    this.attributes[name] = value;
    return this;
  }

  setAttributes(attributes: Attributes): this {
    Object.assign(this.attributes, attributes);
    return this;
  }

  setStatus(status: { code: number; message?: string }): this {
    this.status = status;
    return this;
  }

  recordException(exception: { name?: string; message?: string }): void {
    this.exceptions.push(exception);
  }

  end(): void {
    if (this.ended) throw new Error(`The span "${this.name}" was ended twice`);
    this.ended = true;
  }
}

/** An instrument, as it was made. */
export interface RecordedInstrument {
  /** Its name. */
  readonly name: string;
  /** The method of the meter that made it. */
  readonly made: string;
  /** What it was made with. */
  readonly options: {
    unit?: string;
    description?: string;
    advice?: { explicitBucketBoundaries?: number[] };
  };
}

/** A value, as it was reported. */
export interface RecordedValue {
  /** Name of the instrument. */
  readonly name: string;
  /** The value. */
  readonly value: number;
  /** Its attributes. */
  readonly attributes: Attributes;
}

type Callback = (
  result: { observe(instrument: object, value: number, attributes: Attributes): void },
) => void;

/** What is reported through {@linkcode RecordingTelemetry.api}. */
export class RecordingTelemetry {
  /** Every span, in the order in which they began. */
  readonly spans: RecordedSpan[] = [];
  /** Every value of a histogram. */
  readonly values: RecordedValue[] = [];
  /** Every instrument. */
  readonly instruments: RecordedInstrument[] = [];
  /** Names and versions that tracers and meters were asked for by. */
  readonly scopes: string[] = [];
  readonly #storage = new AsyncLocalStorage<RecordedContext>();
  readonly #callbacks: Callback[] = [];
  readonly #provider = {};

  /** The API to give to a manager. */
  readonly api = {
    trace: {
      getTracer: (name: string, version: string) => {
        this.scopes.push(`${name} ${version}`);
        return { startSpan: this.#startSpan.bind(this) };
      },
      setSpan: (_: RecordedContext, span: RecordedSpan): RecordedContext => ({ span }),
      deleteSpan: (): RecordedContext => ROOT,
    },
    metrics: {
      getMeterProvider: () => this.#provider,
      getMeter: (name: string, version: string) => {
        this.scopes.push(`${name} ${version}`);
        return this.#meter();
      },
    },
    context: {
      active: () => this.#storage.getStore() ?? ROOT,
      with: <T>(context: RecordedContext, fn: () => T): T =>
        this.#storage.run(context, fn),
    },
  };

  /**
   * Runs a function in a span of the test's own.
   *
   * @param name Name of the span.
   * @param fn The function.
   * @returns What it gives.
   */
  within<T>(name: string, fn: () => T): T {
    const span = this.#startSpan(name, {});
    return this.#storage.run({ span }, fn);
  }

  /** The span that is active. */
  get active(): RecordedSpan | undefined {
    return this.#storage.getStore()?.span;
  }

  /**
   * The only span of a name.
   *
   * @param name The name.
   * @returns The span.
   */
  spanOf(name: string): RecordedSpan {
    const found = this.spans.filter((span) => span.name === name);
    if (found.length === 1) return found[0]!;
    const all = this.spans.map((span) => span.name).join(", ");
    throw new Error(`There are ${found.length} spans "${name}" among ${all}`);
  }

  /**
   * The values of one histogram.
   *
   * @param name Its name.
   * @returns The values, in order.
   */
  valuesOf(name: string): RecordedValue[] {
    return this.values.filter((value) => value.name === name);
  }

  /**
   * Asks for the numbers that are read for an export.
   *
   * @returns What was observed.
   */
  collect(): RecordedValue[] {
    const values: RecordedValue[] = [];
    for (const callback of this.#callbacks) {
      callback({
        observe: (instrument, value, attributes) => {
          values.push({
            name: (instrument as RecordedInstrument).name,
            value,
            attributes,
          });
        },
      });
    }
    return values;
  }

  #startSpan(
    name: string,
    options: { kind?: number; attributes?: Attributes },
    context: RecordedContext = this.api.context.active(),
  ): RecordedSpan {
    const span = new RecordedSpan(
      name,
      options.kind,
      options.attributes ?? {},
      context.span,
    );
    this.spans.push(span);
    return span;
  }

  #meter() {
    const make = (made: string) => (name: string, options: object) => {
      const instrument = {
        name,
        made,
        options,
        record: (value: number, attributes: Attributes) =>
          this.values.push({ name, value, attributes }),
      };
      this.instruments.push(instrument);
      return instrument;
    };
    return {
      createHistogram: make("histogram"),
      createObservableCounter: make("observable counter"),
      createObservableUpDownCounter: make("observable up-down counter"),
      addBatchObservableCallback: (callback: Callback) => this.#callbacks.push(callback),
    };
  }
}
