// The part of jsonld that is used: it comes without types.
declare module "jsonld" {
  export interface RemoteDocument {
    readonly contextUrl: null;
    readonly documentUrl: string;
    readonly document: unknown;
    readonly tag: "static";
  }

  /** A hash in the making; rdf-canonize asks for one for each text. */
  export interface MessageDigest {
    update(text: string): void;
    digest(): string | Promise<string>;
  }

  export interface CanonizeOptions {
    readonly safe: boolean;
    readonly base: null;
    readonly documentLoader: (url: string) => Promise<RemoteDocument>;
    readonly canonizeOptions: {
      readonly algorithm: "RDFC-1.0";
      readonly format: "application/n-quads";
      readonly maxWorkFactor: number;
      readonly createMessageDigest: () => MessageDigest;
    };
  }

  const jsonld: {
    canonize(document: object, options: CanonizeOptions): Promise<string>;
    documentLoader: (url: string) => Promise<RemoteDocument>;
  };
  export default jsonld;
}
