// A real OpenID provider, for it/jwks.rs: `node oidc-provider.mjs PORT KEY-ID`, with the package
// oidc-provider in NODE_PATH's folder. It has one client, and signs with a key that it makes.
import { generateKeyPairSync } from "node:crypto";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [port, kid, modules] = process.argv.slice(2);
const require = createRequire(pathToFileURL(`${modules}/oidc-provider/`));
const { default: Provider } = await import(pathToFileURL(require.resolve("oidc-provider")));
const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const key = { ...privateKey.export({ format: "jwk" }), kid, alg: "RS256", use: "sig" };

const provider = new Provider(`http://localhost:${port}`, {
  jwks: { keys: [key] },
  clients: [
    {
      client_id: "shop",
      client_secret: "the secret of the shop",
      grant_types: ["client_credentials"],
      redirect_uris: [],
      response_types: [],
    },
  ],
  extraTokenClaims: () => ({ role: "gardener" }),
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => "urn:shop",
      getResourceServerInfo: () => ({
        scope: "",
        audience: "shop",
        accessTokenFormat: "jwt",
        jwt: { sign: { alg: "RS256" } },
      }),
    },
  },
});
provider.listen(Number(port), "127.0.0.1", () => console.log("listening"));
