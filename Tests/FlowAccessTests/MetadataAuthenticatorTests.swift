import FlowModel
import Testing

@testable import FlowAccess

@Suite struct MetadataAuthenticatorTests {
    private func authenticate(_ credentials: Credentials) -> Result<Identity, StateError> {
        switch MetadataAuthenticator().authenticate(credentials) {
        case .identified(let identity): .success(identity)
        case .refused(let error): .failure(error)
        case .pending: .failure(.internalFault("it has nothing to wait for"))
        }
    }

    @Test func callersSayWhoTheyAre() throws {
        let identity = try authenticate(Credentials(tenant: "acme", actor: "ann")).get()
        #expect((identity.tenant, identity.actor) == ("acme", "ann"))
        #expect(Scope.allCases.allSatisfy(identity.allows))
    }

    @Test func whatIsNotSaidHasADefault() throws {
        let identity = try authenticate(Credentials()).get()
        #expect((identity.tenant, identity.actor) == ("default", "anonymous"))
        // An empty tenant is an invalid name, which the store refuses: it must not become another tenant.
        let empty = try authenticate(Credentials(tenant: "", actor: "")).get()
        #expect((empty.tenant, empty.actor) == ("", "anonymous"))
    }

    @Test(arguments: ["é", "\u{FFFD}", "a\u{80}"]) func metadataIsASCII(_ name: String) {
        for credentials in [Credentials(tenant: name), Credentials(actor: name)] {
            guard case .failure(.invalidArgument) = authenticate(credentials) else {
                Issue.record("\(name) was taken")
                continue
            }
        }
    }

    @Test func scopesAreHeldOneByOne() {
        let reader = Identity(tenant: "acme", actor: "ann", scopes: [.read])
        #expect(Scope.allCases.filter(reader.allows) == [.open, .read])
    }
}
