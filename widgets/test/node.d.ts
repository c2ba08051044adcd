/** The little of Node.js that the tests use; the widgets themselves run in browsers, and are typed for those. */

declare module "node:http" {
  interface Request {
    readonly url?: string;
    on(event: "close", listener: () => void): void;
  }
  interface Answer {
    statusCode: number;
    write(bytes: Uint8Array): boolean;
    end(bytes?: Uint8Array | string): void;
  }
  interface Server {
    listen(port: number, host: string, ready: () => void): void;
    address(): { readonly port: number };
    closeAllConnections(): void;
    close(): void;
  }
  export function createServer(handle: (request: Request, answer: Answer) => void): Server;
}
