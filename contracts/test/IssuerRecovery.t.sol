// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IIssuerRegistry} from "../src/IIssuerRegistry.sol";
import {IssuerFixture, Requests} from "./IssuerFixture.sol";

/// @dev What the recovery key alone may do, and what is left after closing.
contract IssuerRecoveryTest is IssuerFixture {
    address private immutable NEXT = vm.addr(0x4E87);

    function _expectNotEntitled(address signer) private {
        vm.prank(signer);
        vm.expectRevert(abi.encodeWithSelector(IIssuerRegistry.SignerNotEntitled.selector, id, signer));
    }

    function _expectClosed(address caller) private {
        vm.prank(caller);
        vm.expectRevert(abi.encodeWithSelector(IIssuerRegistry.IssuerClosed.selector, id));
    }

    // ------------------------------------------------------------ rotate

    function test_rotate_replacesControllerAndCommitment() public {
        vm.expectEmit();
        emit IIssuerRegistry.Rotated(id, THIEF, commitment(NEXT));
        rotate(THIEF, NEXT);

        IIssuerRegistry.Issuer memory record = registry.issuer(id);
        vm.assertEq(record.controller, THIEF);
        vm.assertEq(record.recovery, commitment(NEXT));
        vm.assertEq(record.recoveryActs, 1);
        vm.assertEq(record.registeredAt, NOW);
        vm.assertEq(record.profile, PROFILE);
    }

    function test_rotate_disarmsTheOldController() public {
        rotate(THIEF, NEXT);
        vm.prank(CONTROLLER);
        vm.expectRevert(abi.encodeWithSelector(IIssuerRegistry.CallerNotSigner.selector, CONTROLLER, THIEF));
        registry.endKey(id, SIGNING_KEY, 0, NEVER, "");

        vm.prank(THIEF);
        registry.endKey(id, SIGNING_KEY, 0, NEVER, "");
    }

    function test_rotate_disarmsTheOldRecoveryKey() public {
        rotate(CONTROLLER, NEXT);
        _expectNotEntitled(RECOVERY);
        registry.rotate(id, RECOVERY, commitment(RECOVERY), RECOVERY, NEVER, "");

        vm.prank(NEXT);
        registry.rotate(id, NEXT, commitment(RECOVERY), NEXT, NEVER, "");
        vm.assertEq(registry.issuer(id).recoveryActs, 2);
    }

    function test_rotate_revertsWithSignerNotEntitledForTheController() public {
        _expectNotEntitled(CONTROLLER);
        registry.rotate(id, THIEF, commitment(THIEF), CONTROLLER, NEVER, "");
    }

    function test_rotate_cannotBeCarriedTwice() public {
        bytes32 next = commitment(RECOVERY);
        bytes memory signature = sign(RECOVERY_SECRET, Requests.rotate(id, NEXT, next, 0, DEADLINE));
        registry.rotate(id, NEXT, next, RECOVERY, DEADLINE, signature);
        registry.rotate(
            id,
            CONTROLLER,
            next,
            RECOVERY,
            DEADLINE,
            sign(RECOVERY_SECRET, Requests.rotate(id, CONTROLLER, next, 1, DEADLINE))
        );

        vm.expectRevert(abi.encodeWithSelector(IIssuerRegistry.WrongSignature.selector, RECOVERY));
        registry.rotate(id, NEXT, next, RECOVERY, DEADLINE, signature);
    }

    function test_rotate_revertsWithZeroController() public {
        vm.prank(RECOVERY);
        vm.expectRevert(IIssuerRegistry.ZeroController.selector);
        registry.rotate(id, address(0), commitment(NEXT), RECOVERY, NEVER, "");
    }

    function test_rotate_revertsWithZeroRecovery() public {
        vm.prank(RECOVERY);
        vm.expectRevert(IIssuerRegistry.ZeroRecovery.selector);
        registry.rotate(id, NEXT, 0, RECOVERY, NEVER, "");
    }

    // ------------------------------------------------------------ the thief of the controller

    /// @dev All that would take, kill or re-date the record, tried with the controller's own key.
    function test_thiefOfTheController_cannotTakeKillOrRedate() public {
        bytes32 before = fingerprint();
        _expectNotEntitled(CONTROLLER);
        registry.rotate(id, CONTROLLER, commitment(CONTROLLER), CONTROLLER, NEVER, "");
        _expectNotEntitled(CONTROLLER);
        registry.close(id, 0, 0, CONTROLLER, NEVER, "");
        _expectNotEntitled(CONTROLLER);
        registry.reinstate(id, 0, 1, CONTROLLER, NEVER, "");
        vm.prank(CONTROLLER);
        vm.expectRevert(abi.encodeWithSelector(IIssuerRegistry.CompromiseInThePast.selector, NOW - 1));
        registry.compromiseKey(id, SIGNING_KEY, NOW - 1, CONTROLLER, NEVER, "");
        vm.prank(CONTROLLER);
        vm.expectRevert(
            abi.encodeWithSelector(IIssuerRegistry.CallerNotSigner.selector, CONTROLLER, RECOVERY)
        );
        registry.close(id, 0, 0, RECOVERY, NEVER, "");

        vm.assertEq(fingerprint(), before);
    }

    function test_thiefOfTheController_isUndoneByRotating() public {
        addKey(keyOf(THIEF), IIssuerRegistry.KeyRole.Revoking, 0);
        revoke(THIEF, 0, 1);
        rotate(vm.addr(0xA), NEXT);
        vm.prank(vm.addr(0xA));
        registry.endKey(id, keyOf(THIEF), 0, NEVER, "");
        vm.prank(NEXT);
        registry.reinstate(id, 0, 1, NEXT, NEVER, "");

        vm.assertEq(registry.statusWord(id, 0), 0);
        _expectNotEntitled(THIEF);
        registry.revoke(id, 0, 1);
    }

    // ------------------------------------------------------------ close

    function test_close_withoutSuccessorIsForGood() public {
        vm.warp(NOW + 4);
        vm.expectEmit();
        emit IIssuerRegistry.Closed(id, 0, keccak256("statement"));
        close(0);

        IIssuerRegistry.Issuer memory record = registry.issuer(id);
        vm.assertEq(record.closedAt, NOW + 4);
        vm.assertTrue(record.closedForGood);
        vm.assertEq(record.successor, 0);
        vm.assertEq(record.statement, keccak256("statement"));
    }

    function test_close_namesASuccessor() public {
        bytes32 successor = registerSuccessor();
        vm.expectEmit();
        emit IIssuerRegistry.Closed(id, successor, keccak256("statement"));
        close(successor);

        vm.assertFalse(registry.issuer(id).closedForGood);
        vm.assertEq(registry.issuer(id).successor, successor);
    }

    function test_close_carriedForTheRecoveryKey() public {
        registry.close(
            id, 0, 0, RECOVERY, DEADLINE, sign(RECOVERY_SECRET, Requests.close(id, 0, 0, DEADLINE))
        );

        vm.assertTrue(registry.issuer(id).closedForGood);
    }

    function test_close_revertsWithSignerNotEntitled() public {
        _expectNotEntitled(THIEF);
        registry.close(id, 0, 0, THIEF, NEVER, "");
    }

    function test_close_revertsWithOwnSuccessor() public {
        vm.prank(RECOVERY);
        vm.expectRevert(abi.encodeWithSelector(IIssuerRegistry.OwnSuccessor.selector, id));
        registry.close(id, id, 0, RECOVERY, NEVER, "");
    }

    function test_close_revertsWithUnknownIssuerForTheSuccessor() public {
        vm.prank(RECOVERY);
        vm.expectRevert(abi.encodeWithSelector(IIssuerRegistry.UnknownIssuer.selector, SALT));
        registry.close(id, SALT, 0, RECOVERY, NEVER, "");
    }

    function test_close_revertsWithIssuerClosedForTheSuccessor() public {
        bytes32 successor = registerSuccessor();
        vm.prank(vm.addr(0x502));
        registry.close(successor, 0, 0, vm.addr(0x502), NEVER, "");
        vm.prank(RECOVERY);
        vm.expectRevert(abi.encodeWithSelector(IIssuerRegistry.IssuerClosed.selector, successor));
        registry.close(id, successor, 0, RECOVERY, NEVER, "");
    }

    /// @dev Every act there is, by the very keys that could do it before.
    function test_close_isFinal() public {
        endorse(0);
        vm.prank(CONTROLLER);
        registry.endorse(id, accreditor, keccak256("accreditor"), 0, NEVER, "");
        close(0);
        bytes32 before = fingerprint();
        vm.warp(NOW + 1);

        _expectClosed(CONTROLLER);
        registry.addKey(id, SALT, IIssuerRegistry.KeyRole.Signing, 0, NEVER, "");
        _expectClosed(CONTROLLER);
        registry.endKey(id, SIGNING_KEY, 0, NEVER, "");
        _expectClosed(CONTROLLER);
        registry.recordProfile(id, SALT, NEVER, "");
        _expectClosed(CONTROLLER);
        registry.endorse(id, accreditor, keccak256("accreditor"), 0, NEVER, "");
        _expectClosed(CONTROLLER);
        registry.withdraw(id, accreditor, keccak256("accreditor"), NOW + 1, CONTROLLER, NEVER, "");
        _expectClosed(CONTROLLER);
        registry.compromiseKey(id, SIGNING_KEY, NOW + 2, CONTROLLER, NEVER, "");
        _expectClosed(REVOKER);
        registry.revoke(id, 0, 1);
        _expectClosed(RECOVERY);
        registry.compromiseKey(id, SIGNING_KEY, NOW, RECOVERY, NEVER, "");
        _expectClosed(RECOVERY);
        registry.withdraw(id, accreditor, keccak256("accreditor"), NOW, RECOVERY, NEVER, "");
        _expectClosed(RECOVERY);
        registry.rotate(id, NEXT, commitment(NEXT), RECOVERY, NEVER, "");
        _expectClosed(RECOVERY);
        registry.reinstate(id, 0, 1, RECOVERY, NEVER, "");
        _expectClosed(RECOVERY);
        registry.close(id, accreditor, 0, RECOVERY, NEVER, "");

        vm.assertEq(fingerprint(), before);
    }

    // ------------------------------------------------------------ the successor

    function _closeTo(bytes32 successor) private {
        close(successor);
        vm.warp(NOW + 100);
    }

    function test_successor_revokesWithItsRevokingKey() public {
        _closeTo(registerSuccessor());
        revoke(vm.addr(0x503), 0, 5);

        vm.assertEq(registry.statusWord(id, 0), 5);
    }

    function test_successor_revokesByACarriedRequest() public {
        _closeTo(registerSuccessor());
        bytes memory signature = sign(0x503, Requests.revoke(id, 0, 5, 0, DEADLINE));
        registry.revoke(id, 0, 5, vm.addr(0x503), DEADLINE, signature);

        vm.assertEq(registry.statusWord(id, 0), 5);
    }

    function test_successor_takesOverFromTheClosedIssuersOwnKeys() public {
        _closeTo(registerSuccessor());
        _expectNotEntitled(REVOKER);
        registry.revoke(id, 0, 1);
        _expectNotEntitled(CONTROLLER);
        registry.compromiseKey(id, SIGNING_KEY, NOW + 200, CONTROLLER, NEVER, "");
        _expectNotEntitled(RECOVERY);
        registry.compromiseKey(id, SIGNING_KEY, NOW, RECOVERY, NEVER, "");
    }

    function test_successor_declaresKeysCompromised() public {
        _closeTo(registerSuccessor());
        compromiseKey(vm.addr(0x501), SIGNING_KEY, NOW + 100);
        vm.assertEq(registry.key(id, SIGNING_KEY).compromisedSince, NOW + 100);
        compromiseKey(vm.addr(0x502), SIGNING_KEY, NOW - 7);

        vm.assertEq(registry.key(id, SIGNING_KEY).compromisedSince, NOW - 7);
    }

    function test_successor_cannotDateBackWithItsController() public {
        _closeTo(registerSuccessor());
        vm.prank(vm.addr(0x501));
        vm.expectRevert(abi.encodeWithSelector(IIssuerRegistry.CompromiseInThePast.selector, NOW));
        registry.compromiseKey(id, SIGNING_KEY, NOW, vm.addr(0x501), NEVER, "");
    }

    function test_successor_mayDoNothingElse() public {
        _closeTo(registerSuccessor());
        _expectClosed(vm.addr(0x501));
        registry.addKey(id, SALT, IIssuerRegistry.KeyRole.Signing, 0, NEVER, "");
        _expectClosed(vm.addr(0x501));
        registry.endKey(id, SIGNING_KEY, 0, NEVER, "");
        _expectClosed(vm.addr(0x502));
        registry.reinstate(id, 0, 1, vm.addr(0x502), NEVER, "");
        _expectClosed(vm.addr(0x502));
        registry.rotate(id, NEXT, commitment(NEXT), vm.addr(0x502), NEVER, "");
    }

    function test_successor_withAnEndedKeyMayNotRevoke() public {
        bytes32 successor = registerSuccessor();
        _closeTo(successor);
        vm.prank(vm.addr(0x501));
        registry.endKey(successor, keyOf(vm.addr(0x503)), 0, NEVER, "");

        _expectNotEntitled(vm.addr(0x503));
        registry.revoke(id, 0, 1);
    }

    function test_successor_thatClosesLeavesNobody() public {
        bytes32 successor = registerSuccessor();
        _closeTo(successor);
        vm.prank(vm.addr(0x502));
        registry.close(successor, accreditor, 0, vm.addr(0x502), NEVER, "");

        vm.prank(vm.addr(0x503));
        vm.expectRevert(abi.encodeWithSelector(IIssuerRegistry.IssuerClosed.selector, successor));
        registry.revoke(id, 0, 1);
        vm.prank(vm.addr(0x502));
        vm.expectRevert(abi.encodeWithSelector(IIssuerRegistry.IssuerClosed.selector, successor));
        registry.compromiseKey(id, SIGNING_KEY, NOW, vm.addr(0x502), NEVER, "");
    }
}
