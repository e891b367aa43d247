// node oidc-provider with ten clients that want to be told over the back channel, for bench/logout_notices.py.
//   RECEIVER=http://127.0.0.1:9200 node logout_notices_peer.mjs      (in a folder where `npm install oidc-provider@9` was done)
import Provider from 'oidc-provider';

const rows = new Map();
const uids = new Map();
const grants = new Map();
class MapAdapter {
  constructor(model) { this.model = model; }
  key(id) { return `${this.model}:${id}`; }
  async upsert(id, payload) {
    rows.set(this.key(id), payload);
    if (this.model === 'Session') uids.set(payload.uid, id);
    if (payload.grantId) {
      if (!grants.has(payload.grantId)) grants.set(payload.grantId, new Set());
      grants.get(payload.grantId).add(this.key(id));
    }
  }
  async find(id) { return rows.get(this.key(id)); }
  async findByUid(uid) { return this.find(uids.get(uid)); }
  async findByUserCode() { return undefined; }
  async destroy(id) { rows.delete(this.key(id)); }
  async consume(id) { rows.get(this.key(id)).consumed = Math.floor(Date.now() / 1000); }
  async revokeByGrantId(grantId) { for (const key of grants.get(grantId) ?? []) rows.delete(key); grants.delete(grantId); }
}

const port = Number(process.env.PORT ?? 9105);
const clients = [...Array(10).keys()].map((i) => ({
  client_id: `rp-${i}`,
  client_secret: `secret-of-rp-${i}`,
  redirect_uris: ['http://rp.example.com/cb'],
  post_logout_redirect_uris: ['http://rp.example.com/out'],
  response_types: ['code'],
  grant_types: ['authorization_code'],
  backchannel_logout_uri: `${process.env.RECEIVER}/fault/ok/rp-${i}/backchannel_logout`,
  backchannel_logout_session_required: true,
}));
const provider = new Provider(`http://127.0.0.1:${port}`, {
  adapter: MapAdapter,
  clients,
  cookies: { keys: ['not-secret-only-a-benchmark'] },
  features: {
    devInteractions: { enabled: true },
    rpInitiatedLogout: {
      enabled: true,
      // a plain confirmation page without script: the driver presses its button
      async logoutSource(ctx, form) {
        ctx.body = `<!DOCTYPE html><body>${form.replace('</form>', '<button type="submit" name="logout" value="yes">Yes</button></form>')}</body>`;
      },
    },
    backchannelLogout: { enabled: true },
  },
  // its own guard refuses addresses of this machine
  fetch: (url, { dispatcher, ...options }) => globalThis.fetch(url, options),
  findAccount: (ctx, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
});
provider.on('backchannel.error', (ctx, err) => console.error(err.cause ?? err));
provider.listen(port, '127.0.0.1', () => console.log(`listening ${process.pid}`));
