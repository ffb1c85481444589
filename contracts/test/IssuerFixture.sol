// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IIssuerRegistry} from "../src/IIssuerRegistry.sol";
import {IssuerRegistry} from "../src/IssuerRegistry.sol";
import {MiniTest} from "./MiniTest.sol";

/// @dev The EIP-712 requests, written a second time so that the registry cannot agree with its own mistakes.
library Requests {
    function addKey(bytes32 id, bytes32 key, IIssuerRegistry.KeyRole role, uint64 until, uint64 deadline)
        internal
        pure
        returns (bytes32)
    {
        bytes32 kind = keccak256("AddKey(bytes32 id,bytes32 key,uint8 role,uint64 until,uint64 deadline)");
        return keccak256(abi.encode(kind, id, key, uint8(role), until, deadline));
    }

    function endKey(bytes32 id, bytes32 key, uint64 until, uint64 deadline) internal pure returns (bytes32) {
        bytes32 kind = keccak256("EndKey(bytes32 id,bytes32 key,uint64 until,uint64 deadline)");
        return keccak256(abi.encode(kind, id, key, until, deadline));
    }

    function compromiseKey(bytes32 id, bytes32 key, uint64 since, uint64 deadline)
        internal
        pure
        returns (bytes32)
    {
        bytes32 kind = keccak256("CompromiseKey(bytes32 id,bytes32 key,uint64 since,uint64 deadline)");
        return keccak256(abi.encode(kind, id, key, since, deadline));
    }

    function recordProfile(bytes32 id, bytes32 profile, uint64 deadline) internal pure returns (bytes32) {
        bytes32 kind = keccak256("RecordProfile(bytes32 id,bytes32 profile,uint64 deadline)");
        return keccak256(abi.encode(kind, id, profile, deadline));
    }

    function endorse(bytes32 accreditor, bytes32 subject, bytes32 profile, uint64 until, uint64 deadline)
        internal
        pure
        returns (bytes32)
    {
        bytes32 kind = keccak256(
            "Endorse(bytes32 accreditor,bytes32 subject,bytes32 profile,uint64 until,uint64 deadline)"
        );
        return keccak256(abi.encode(kind, accreditor, subject, profile, until, deadline));
    }

    function withdraw(bytes32 accreditor, bytes32 subject, bytes32 profile, uint64 since, uint64 deadline)
        internal
        pure
        returns (bytes32)
    {
        bytes32 kind = keccak256(
            "Withdraw(bytes32 accreditor,bytes32 subject,bytes32 profile,uint64 since,uint64 deadline)"
        );
        return keccak256(abi.encode(kind, accreditor, subject, profile, since, deadline));
    }

    function revoke(bytes32 id, uint256 word, uint256 mask, uint64 recoveryActs, uint64 deadline)
        internal
        pure
        returns (bytes32)
    {
        bytes32 kind = keccak256(
            "Revoke(bytes32 id,uint256 word,uint256 mask,uint64 recoveryActs,uint64 deadline)"
        );
        return keccak256(abi.encode(kind, id, word, mask, recoveryActs, deadline));
    }

    function rotate(bytes32 id, address controller, bytes32 recovery, uint64 recoveryActs, uint64 deadline)
        internal
        pure
        returns (bytes32)
    {
        bytes32 kind = keccak256(
            "Rotate(bytes32 id,address controller,bytes32 recovery,uint64 recoveryActs,uint64 deadline)"
        );
        return keccak256(abi.encode(kind, id, controller, recovery, recoveryActs, deadline));
    }

    function close(bytes32 id, bytes32 successor, bytes32 statement, uint64 deadline)
        internal
        pure
        returns (bytes32)
    {
        bytes32 kind = keccak256("Close(bytes32 id,bytes32 successor,bytes32 statement,uint64 deadline)");
        return keccak256(abi.encode(kind, id, successor, statement, deadline));
    }

    function reinstate(bytes32 id, uint256 word, uint256 mask, uint64 recoveryActs, uint64 deadline)
        internal
        pure
        returns (bytes32)
    {
        bytes32 kind = keccak256(
            "Reinstate(bytes32 id,uint256 word,uint256 mask,uint64 recoveryActs,uint64 deadline)"
        );
        return keccak256(abi.encode(kind, id, word, mask, recoveryActs, deadline));
    }
}

/// @dev One registered school with a signing and a revoking key, an accreditor, and short forms of every act.
abstract contract IssuerFixture is MiniTest {
    uint64 internal constant NOW = 1_800_000_000;
    uint64 internal constant DEADLINE = NOW + 1 hours;
    uint64 internal constant NEVER = type(uint64).max;

    uint256 internal constant CONTROLLER_SECRET = 0xC0;
    uint256 internal constant RECOVERY_SECRET = 0x4EC0;
    uint256 internal constant REVOKER_SECRET = 0x4E70;
    uint256 internal constant THIEF_SECRET = 0x7417;
    uint256 internal constant ACCREDITOR_SECRET = 0xACC4;
    uint256 internal constant ACCREDITOR_RECOVERY_SECRET = 0xACC5;

    bytes32 internal constant PROFILE = keccak256("profile");
    bytes32 internal constant SIGNING_KEY = keccak256("34 bytes of multikey");
    bytes32 internal constant SALT = bytes32(uint256(7));

    address internal immutable CONTROLLER = vm.addr(CONTROLLER_SECRET);
    address internal immutable RECOVERY = vm.addr(RECOVERY_SECRET);
    address internal immutable REVOKER = vm.addr(REVOKER_SECRET);
    address internal immutable THIEF = vm.addr(THIEF_SECRET);
    address internal immutable ACCREDITOR = vm.addr(ACCREDITOR_SECRET);
    address internal immutable ACCREDITOR_RECOVERY = vm.addr(ACCREDITOR_RECOVERY_SECRET);

    IssuerRegistry internal registry;
    bytes32 internal id;
    bytes32 internal accreditor;

    function setUp() public virtual {
        vm.warp(NOW);
        vm.chainId(31_337);
        registry = new IssuerRegistry();
        id = registry.register(CONTROLLER, commitment(RECOVERY), PROFILE, SALT);
        accreditor =
            registry.register(ACCREDITOR, commitment(ACCREDITOR_RECOVERY), keccak256("accreditor"), SALT);
        addKey(SIGNING_KEY, IIssuerRegistry.KeyRole.Signing, 0);
        addKey(keyOf(REVOKER), IIssuerRegistry.KeyRole.Revoking, 0);
    }

    // ------------------------------------------------------------ values

    function commitment(address recovery) internal pure returns (bytes32) {
        return keccak256(abi.encode(recovery));
    }

    function keyOf(address revoker) internal pure returns (bytes32) {
        return bytes32(uint256(uint160(revoker)));
    }

    /// @dev The EIP-712 signature of `secret` over `request` for this chain and registry.
    function sign(uint256 secret, bytes32 request) internal view returns (bytes memory) {
        return sign(secret, request, block.chainid, address(registry));
    }

    function sign(uint256 secret, bytes32 request, uint256 chainId, address target)
        internal
        pure
        returns (bytes memory)
    {
        bytes32 kind = keccak256(
            "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
        );
        bytes32 domain =
            keccak256(abi.encode(kind, keccak256("Perdure IssuerRegistry"), keccak256("1"), chainId, target));
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(secret, keccak256(abi.encodePacked(hex"1901", domain, request)));
        return abi.encodePacked(r, s, v);
    }

    // ------------------------------------------------------------ acts, called directly by who may do them

    function addKey(bytes32 key, IIssuerRegistry.KeyRole role, uint64 until) internal {
        vm.prank(CONTROLLER);
        registry.addKey(id, key, role, until, NEVER, "");
    }

    function endKey(bytes32 key, uint64 until) internal {
        vm.prank(CONTROLLER);
        registry.endKey(id, key, until, NEVER, "");
    }

    function compromiseKey(address signer, bytes32 key, uint64 since) internal {
        vm.prank(signer);
        registry.compromiseKey(id, key, since, signer, NEVER, "");
    }

    function recordProfile(bytes32 profile) internal {
        vm.prank(CONTROLLER);
        registry.recordProfile(id, profile, NEVER, "");
    }

    function endorse(uint64 until) internal {
        vm.prank(ACCREDITOR);
        registry.endorse(accreditor, id, PROFILE, until, NEVER, "");
    }

    function withdraw(address signer, uint64 since) internal {
        vm.prank(signer);
        registry.withdraw(accreditor, id, PROFILE, since, signer, NEVER, "");
    }

    function revoke(address signer, uint256 word, uint256 mask) internal {
        vm.prank(signer);
        registry.revoke(id, word, mask);
    }

    function rotate(address controller, address recovery) internal {
        vm.prank(RECOVERY);
        registry.rotate(id, controller, commitment(recovery), RECOVERY, NEVER, "");
    }

    function close(bytes32 successor) internal {
        vm.prank(RECOVERY);
        registry.close(id, successor, keccak256("statement"), RECOVERY, NEVER, "");
    }

    function reinstate(uint256 word, uint256 mask) internal {
        vm.prank(RECOVERY);
        registry.reinstate(id, word, mask, RECOVERY, NEVER, "");
    }

    /// @dev A second school with keys of its own: controller 0x501, recovery 0x502, revoking key 0x503.
    function registerSuccessor() internal returns (bytes32 successor) {
        successor = registry.register(vm.addr(0x501), commitment(vm.addr(0x502)), keccak256("heir"), SALT);
        vm.prank(vm.addr(0x501));
        registry.addKey(successor, keyOf(vm.addr(0x503)), IIssuerRegistry.KeyRole.Revoking, 0, NEVER, "");
    }

    // ------------------------------------------------------------ the whole state, for "nothing changed"

    /// @dev One hash of everything that the tests' acts could change.
    function fingerprint() internal view returns (bytes32) {
        bytes memory records = abi.encode(registry.issuer(id), registry.issuer(accreditor));
        bytes memory keys = abi.encode(registry.key(id, SIGNING_KEY), registry.key(id, keyOf(REVOKER)));
        bytes memory rest = abi.encode(
            registry.statusWord(id, 0), registry.statusWord(id, 1), registry.profileRecordedAt(id, PROFILE)
        );
        return keccak256(abi.encode(records, keys, rest, registry.endorsement(accreditor, id, PROFILE)));
    }
}
