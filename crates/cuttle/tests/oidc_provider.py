"""An OpenID provider on loopback, made of Authlib: discovery, keys, passwords and client credentials for tokens, JWT
access tokens (RFC 9068) signed with RS256, userinfo. It prints its issuer when it is ready and goes when
its standard input ends."""

import logging
import sys
import threading

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, grants
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from flask import Flask, jsonify, request
from joserfc.jwk import RSAKey
from werkzeug.serving import make_server

USERS = {"ada": ("sea-urchin", ["reef"]), "bob": ("starfish", [])}
CLIENTS = {"cuttle": "tide"}

logging.getLogger("werkzeug").setLevel(logging.ERROR)
app = Flask(__name__)
key = RSAKey.generate_key(2048, {"use": "sig", "kid": "first", "alg": "RS256"})
server = make_server("127.0.0.1", 0, app, threaded=True)
issuer = f"http://127.0.0.1:{server.server_port}/realm"
issued = {}


class Client(ClientMixin):
    def __init__(self, client_id):
        self.client_id = client_id

    def get_client_id(self):
        return self.client_id

    def get_default_redirect_uri(self):
        return None

    def get_allowed_scope(self, scope):
        return scope

    def check_redirect_uri(self, redirect_uri):
        return False

    def check_client_secret(self, secret):
        return CLIENTS[self.client_id] == secret

    def check_endpoint_auth_method(self, method, endpoint):
        return method in ("client_secret_basic", "client_secret_post")

    def check_response_type(self, response_type):
        return False

    def check_grant_type(self, grant_type):
        return grant_type in ("password", "client_credentials")


class User:
    def __init__(self, name):
        self.name = name

    def get_user_id(self):
        return self.name


class Password(grants.ResourceOwnerPasswordCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]

    def authenticate_user(self, username, password):
        known = USERS.get(username)
        return User(username) if known and known[0] == password else None


class ClientCredentials(grants.ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]


class Tokens(JWTBearerTokenGenerator):
    def get_jwks(self):
        return {"keys": [key.as_dict(private=True)]}

    def get_audiences(self, client, user, scope):
        return client.get_client_id()


def save_token(token, request):
    issued[token["access_token"]] = request.user.name if request.user else request.client.client_id


authorization = AuthorizationServer(
    app, query_client=lambda client_id: Client(client_id) if client_id in CLIENTS else None, save_token=save_token
)
authorization.register_token_generator("default", Tokens(issuer=issuer, alg="RS256"))
authorization.register_grant(Password)
authorization.register_grant(ClientCredentials)


@app.get("/realm/.well-known/openid-configuration")
def discovery():
    return jsonify(
        issuer=issuer,
        token_endpoint=f"{issuer}/token",
        jwks_uri=f"{issuer}/jwks",
        userinfo_endpoint=f"{issuer}/userinfo",
        grant_types_supported=["password", "client_credentials"],
    )


@app.get("/realm/jwks")
def jwks():
    return jsonify(keys=[key.as_dict(private=False)])


@app.post("/realm/token")
def token():
    return authorization.create_token_response()


@app.get("/realm/userinfo")
def userinfo():
    name = issued.get(request.headers.get("Authorization", "").removeprefix("Bearer "))
    if name is None:
        return jsonify(error="invalid_token"), 401
    groups = USERS.get(name, ("", []))[1]
    return jsonify(sub=name, preferred_username=name, email=f"{name}@reef.test", groups=groups)


threading.Thread(target=server.serve_forever, daemon=True).start()
print(issuer, flush=True)
sys.stdin.read()
