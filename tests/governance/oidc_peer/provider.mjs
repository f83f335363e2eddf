// An OpenID provider of the field (oidc-provider, certified), with people and clients of the tests. Everything about
// this run is one JSON document in the first argument. It serves loopback alone and says so on a line.
import { generateKeyPairSync } from 'node:crypto'
import { createServer } from 'node:http'
import Provider from 'oidc-provider'

const given = JSON.parse(process.argv[2])

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const key = { ...privateKey.export({ format: 'jwk' }), kid: given.kid, use: 'sig', alg: 'RS256' }

const server = createServer()
server.listen(given.port, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`
  const provider = new Provider(issuer, {
    clients: given.clients,
    jwks: { keys: [key] },
    cookies: { keys: ['for-tests-alone'] },
    claims: {
      openid: ['sub'],
      profile: ['name', 'given_name', 'family_name'],
      email: ['email', 'email_verified'],
      groups: ['groups'],
    },
    scopes: ['openid', 'offline_access'],
    pkce: { required: () => true },
    conformIdTokenClaims: given.groups_in === 'user info',
    ttl: { AccessToken: 600, AuthorizationCode: 60, Grant: 3600, IdToken: 600, Interaction: 600, Session: 3600 },
    features: { backchannelLogout: { enabled: true }, devInteractions: { enabled: true }, rpInitiatedLogout: { enabled: true } },
    // Its own way out refuses loopback, where the tests are.
    fetch: (url, { dispatcher, ...options }) => globalThis.fetch(url, options),
    async findAccount(_, id) {
      return given.people[id] && { accountId: id, claims: async () => ({ sub: id, ...given.people[id] }) }
    },
  })
  provider.on('backchannel.error', (_, error) => console.log(`no logout token: ${error.message}`))
  server.on('request', provider.callback())
  console.log(`listening on ${issuer}`)
})
