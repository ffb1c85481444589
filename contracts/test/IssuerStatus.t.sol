// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IIssuerRegistry} from "../src/IIssuerRegistry.sol";
import {IssuerFixture, Requests} from "./IssuerFixture.sol";

/// @dev Status bits: set by open revoking keys, cleared by the recovery key alone.
contract IssuerStatusTest is IssuerFixture {
    function _revokeRefuses(address signer) private {
        vm.prank(signer);
        vm.expectRevert(abi.encodeWithSelector(IIssuerRegistry.SignerNotEntitled.selector, id, signer));
        registry.revoke(id, 0, 1);
    }

    function test_revoke_setsBits() public {
        vm.expectEmit();
        emit IIssuerRegistry.Revoked(id, 1, 6, REVOKER);
        revoke(REVOKER, 1, 6);

        vm.assertEq(registry.statusWord(id, 1), 6);
        vm.assertEq(registry.statusWord(id, 0), 0);
        vm.assertFalse(registry.check(id, SIGNING_KEY, 256).revoked);
        vm.assertTrue(registry.check(id, SIGNING_KEY, 257).revoked);
        vm.assertTrue(registry.check(id, SIGNING_KEY, 258).revoked);
    }

    function test_revoke_emitsTheNewBitsOnly() public {
        revoke(REVOKER, 1, 6);
        vm.expectEmit();
        emit IIssuerRegistry.Revoked(id, 1, 8, REVOKER);
        revoke(REVOKER, 1, 12);

        vm.assertEq(registry.statusWord(id, 1), 14);
    }

    function test_revoke_ofRevokedBitsChangesNothing() public {
        revoke(REVOKER, 1, 6);
        vm.recordLogs();
        revoke(REVOKER, 1, 6);
        revoke(REVOKER, 1, 0);

        assertNoEvent();
        vm.assertEq(registry.statusWord(id, 1), 6);
    }

    function test_revoke_carriedForTheRevoker() public {
        bytes memory signature = sign(REVOKER_SECRET, Requests.revoke(id, 1, 6, 0, DEADLINE));
        vm.expectEmit();
        emit IIssuerRegistry.Revoked(id, 1, 6, REVOKER);
        vm.prank(THIEF);
        registry.revoke(id, 1, 6, REVOKER, DEADLINE, signature);

        vm.assertEq(registry.statusWord(id, 1), 6);
    }

    function test_revoke_longFormTakesTheCallerToo() public {
        vm.prank(REVOKER);
        registry.revoke(id, 1, 6, REVOKER, DEADLINE, "");

        vm.assertEq(registry.statusWord(id, 1), 6);
    }

    function test_revoke_revertsForEverybodyElse() public {
        _revokeRefuses(CONTROLLER);
        _revokeRefuses(RECOVERY);
        _revokeRefuses(THIEF);
    }

    /// @dev addKey keeps addresses out of the signing role; the role must count all the same.
    function test_revoke_revertsForAKeyInAnotherRole() public {
        bytes32 slot = keccak256(abi.encode(keyOf(THIEF), keccak256(abi.encode(id, uint256(1)))));
        vm.store(address(registry), slot, bytes32(uint256(NOW) | uint256(1) << 120));
        vm.assertTrue(registry.key(id, keyOf(THIEF)).role == IIssuerRegistry.KeyRole.Signing);

        _revokeRefuses(THIEF);
    }

    function test_revoke_revertsForARevokingKeyOfAnotherIssuer() public {
        bytes32 other = registerSuccessor();
        vm.assertEq(registry.key(other, keyOf(vm.addr(0x503))).from, NOW);

        _revokeRefuses(vm.addr(0x503));
    }

    function test_revoke_endsWithTheKeysWindow() public {
        endKey(keyOf(REVOKER), NOW + 10);
        vm.warp(NOW + 9);
        revoke(REVOKER, 0, 1);
        vm.warp(NOW + 10);

        _revokeRefuses(REVOKER);
    }

    function test_revoke_endsWithTheKeysCompromise() public {
        compromiseKey(CONTROLLER, keyOf(REVOKER), NOW + 10);
        vm.warp(NOW + 9);
        revoke(REVOKER, 0, 1);
        vm.warp(NOW + 10);

        _revokeRefuses(REVOKER);
    }

    function test_revoke_carriedLateRevertsOnceTheKeyHasEnded() public {
        bytes memory signature = sign(REVOKER_SECRET, Requests.revoke(id, 1, 6, 0, DEADLINE));
        endKey(keyOf(REVOKER), 0);

        vm.expectRevert(abi.encodeWithSelector(IIssuerRegistry.SignerNotEntitled.selector, id, REVOKER));
        registry.revoke(id, 1, 6, REVOKER, DEADLINE, signature);
    }

    function test_revoke_revertsWithUnknownIssuer() public {
        vm.prank(REVOKER);
        vm.expectRevert(abi.encodeWithSelector(IIssuerRegistry.UnknownIssuer.selector, SALT));
        registry.revoke(SALT, 0, 1);
    }

    function test_fuzz_revoke_onlySetsBits(uint256[4] calldata masks, uint256 word) public {
        uint256 expected;
        for (uint256 i; i < masks.length; ++i) {
            revoke(REVOKER, word, masks[i]);
            expected |= masks[i];
            vm.assertEq(registry.statusWord(id, word), expected);
        }
    }

    function test_fuzz_check_readsTheBitOfTheIndex(uint256 index, uint256 other) public {
        vm.assume(index != other);
        revoke(REVOKER, index / 256, 2 ** (index % 256));

        vm.assertTrue(registry.check(id, SIGNING_KEY, index).revoked);
        vm.assertFalse(registry.check(id, SIGNING_KEY, other).revoked);
    }

    // ------------------------------------------------------------ reinstate

    function test_reinstate_clearsBits() public {
        revoke(REVOKER, 1, 14);
        vm.expectEmit();
        emit IIssuerRegistry.Reinstated(id, 1, 6);
        reinstate(1, 7);

        vm.assertEq(registry.statusWord(id, 1), 8);
        vm.assertEq(registry.issuer(id).recoveryActs, 1);
    }

    function test_reinstate_carriedForTheRecoveryKey() public {
        revoke(REVOKER, 1, 14);
        bytes memory signature = sign(RECOVERY_SECRET, Requests.reinstate(id, 1, 6, 0, DEADLINE));
        registry.reinstate(id, 1, 6, RECOVERY, DEADLINE, signature);

        vm.assertEq(registry.statusWord(id, 1), 8);
    }

    /// @dev Otherwise a bit that the key's owner set again could be cleared by anyone who kept the request.
    function test_reinstate_cannotBeCarriedTwice() public {
        revoke(REVOKER, 1, 2);
        bytes memory signature = sign(RECOVERY_SECRET, Requests.reinstate(id, 1, 2, 0, DEADLINE));
        registry.reinstate(id, 1, 2, RECOVERY, DEADLINE, signature);
        revoke(REVOKER, 1, 2);

        vm.expectRevert(abi.encodeWithSelector(IIssuerRegistry.WrongSignature.selector, RECOVERY));
        registry.reinstate(id, 1, 2, RECOVERY, DEADLINE, signature);
    }

    /// @dev Otherwise the thief's old requests would undo the reinstatement.
    function test_revoke_signedBeforeAReinstatementCannotBeCarriedAfterIt() public {
        bytes memory signature = sign(REVOKER_SECRET, Requests.revoke(id, 1, 2, 0, DEADLINE));
        registry.revoke(id, 1, 2, REVOKER, DEADLINE, signature);
        reinstate(1, 2);

        vm.expectRevert(abi.encodeWithSelector(IIssuerRegistry.WrongSignature.selector, REVOKER));
        registry.revoke(id, 1, 2, REVOKER, DEADLINE, signature);
        vm.assertEq(registry.statusWord(id, 1), 0);
    }

    function test_reinstate_revertsWithSignerNotEntitled() public {
        address[3] memory others = [CONTROLLER, REVOKER, THIEF];
        for (uint256 i; i < others.length; ++i) {
            vm.prank(others[i]);
            vm.expectRevert(abi.encodeWithSelector(IIssuerRegistry.SignerNotEntitled.selector, id, others[i]));
            registry.reinstate(id, 0, 1, others[i], NEVER, "");
        }
    }

    function test_reinstate_revertsWithIssuerClosed() public {
        close(0);
        vm.prank(RECOVERY);
        vm.expectRevert(abi.encodeWithSelector(IIssuerRegistry.IssuerClosed.selector, id));
        registry.reinstate(id, 0, 1, RECOVERY, NEVER, "");
    }

    function test_fuzz_reinstate_clearsExactlyTheMask(uint256 set, uint256 clear) public {
        revoke(REVOKER, 9, set);
        reinstate(9, clear);

        vm.assertEq(registry.statusWord(id, 9), set & ~clear);
    }
}
