// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IIssuerRegistry} from "../src/IIssuerRegistry.sol";
import {IssuerFixture} from "./IssuerFixture.sol";

/// @dev Registering, profiles, and what a verifier reads.
contract IssuerRecordTest is IssuerFixture {
    function test_register_returnsTheIdThatCommitsToEverything() public view {
        bytes32 expected = keccak256(
            abi.encode(
                keccak256("Perdure issuer v1"),
                uint256(31_337),
                CONTROLLER,
                keccak256(abi.encode(RECOVERY)),
                PROFILE,
                SALT
            )
        );

        vm.assertEq(id, expected);
        vm.assertEq(registry.idOf(CONTROLLER, commitment(RECOVERY), PROFILE, SALT), expected);
    }

    function test_register_recordsTheIssuer() public view {
        IIssuerRegistry.Issuer memory record = registry.issuer(id);

        vm.assertEq(record.controller, CONTROLLER);
        vm.assertEq(record.registeredAt, NOW);
        vm.assertEq(record.closedAt, 0);
        vm.assertFalse(record.closedForGood);
        vm.assertEq(record.recovery, commitment(RECOVERY));
        vm.assertEq(record.profile, PROFILE);
        vm.assertEq(record.successor, 0);
        vm.assertEq(record.statement, 0);
        vm.assertEq(record.recoveryActs, 0);
        vm.assertEq(registry.profileRecordedAt(id, PROFILE), NOW);
    }

    function test_register_emitsRegistered() public {
        bytes32 expected = registry.idOf(THIEF, commitment(THIEF), PROFILE, 0);
        vm.expectEmit();
        emit IIssuerRegistry.Registered(expected, THIEF, commitment(THIEF), PROFILE);
        registry.register(THIEF, commitment(THIEF), PROFILE, 0);
    }

    function test_register_repeatedByAnyoneChangesNothing() public {
        rotate(vm.addr(1), vm.addr(2));
        bytes32 before = fingerprint();
        vm.warp(NOW + 1 days);
        vm.recordLogs();
        vm.prank(THIEF);
        bytes32 again = registry.register(CONTROLLER, commitment(RECOVERY), PROFILE, SALT);

        assertNoEvent();
        vm.assertEq(again, id);
        vm.assertEq(fingerprint(), before);
    }

    function test_register_repeatedDoesNotReopenAClosedRecord() public {
        close(0);
        registry.register(CONTROLLER, commitment(RECOVERY), PROFILE, SALT);

        vm.assertEq(registry.issuer(id).closedAt, NOW);
    }

    function test_register_revertsWithZeroController() public {
        vm.expectRevert(IIssuerRegistry.ZeroController.selector);
        registry.register(address(0), commitment(RECOVERY), PROFILE, SALT);
    }

    function test_register_revertsWithZeroRecovery() public {
        vm.expectRevert(IIssuerRegistry.ZeroRecovery.selector);
        registry.register(CONTROLLER, 0, PROFILE, SALT);
    }

    function test_register_revertsWithZeroProfile() public {
        vm.expectRevert(IIssuerRegistry.ZeroProfile.selector);
        registry.register(CONTROLLER, commitment(RECOVERY), 0, SALT);
    }

    function test_idOf_differsFromChainToChain() public {
        vm.chainId(1);

        vm.assertFalse(registry.idOf(CONTROLLER, commitment(RECOVERY), PROFILE, SALT) == id);
    }

    function test_fuzz_idOf_changesWithEveryPart(
        address controller,
        bytes32 recovery,
        bytes32 profile,
        bytes32 salt
    ) public view {
        bytes32 whole = registry.idOf(controller, recovery, profile, salt);

        vm.assertFalse(whole == registry.idOf(address(uint160(controller) ^ 1), recovery, profile, salt));
        vm.assertFalse(whole == registry.idOf(controller, recovery ^ bytes32(uint256(1)), profile, salt));
        vm.assertFalse(whole == registry.idOf(controller, recovery, profile ^ bytes32(uint256(1)), salt));
        vm.assertFalse(whole == registry.idOf(controller, recovery, profile, salt ^ bytes32(uint256(1))));
    }

    // ------------------------------------------------------------ profiles

    function test_recordProfile_becomesTheCurrentOne() public {
        vm.warp(NOW + 5);
        vm.expectEmit();
        emit IIssuerRegistry.ProfileRecorded(id, keccak256("new"));
        recordProfile(keccak256("new"));

        vm.assertEq(registry.issuer(id).profile, keccak256("new"));
        vm.assertEq(registry.profileRecordedAt(id, keccak256("new")), NOW + 5);
        vm.assertEq(registry.profileRecordedAt(id, PROFILE), NOW);
    }

    function test_recordProfile_ofARecordedOneChangesNothing() public {
        recordProfile(keccak256("new"));
        vm.warp(NOW + 5);
        vm.recordLogs();
        recordProfile(PROFILE);

        assertNoEvent();
        vm.assertEq(registry.issuer(id).profile, keccak256("new"));
        vm.assertEq(registry.profileRecordedAt(id, PROFILE), NOW);
    }

    function test_recordProfile_revertsWithZeroProfile() public {
        vm.prank(CONTROLLER);
        vm.expectRevert(IIssuerRegistry.ZeroProfile.selector);
        registry.recordProfile(id, 0, NEVER, "");
    }

    // ------------------------------------------------------------ reading

    function test_check_answersEverything() public {
        bytes32 successor = registerSuccessor();
        addKey(keccak256("second"), IIssuerRegistry.KeyRole.Signing, NOW + 1000);
        compromiseKey(CONTROLLER, keccak256("second"), NOW + 500);
        recordProfile(keccak256("new"));
        revoke(REVOKER, 3, 1 << 17);
        vm.warp(NOW + 100);
        close(successor);

        IIssuerRegistry.Check memory answer = registry.check(id, keccak256("second"), 3 * 256 + 17);

        vm.assertEq(answer.registeredAt, NOW);
        vm.assertEq(answer.closedAt, NOW + 100);
        vm.assertFalse(answer.closedForGood);
        vm.assertEq(answer.successor, successor);
        vm.assertEq(answer.profile, keccak256("new"));
        vm.assertEq(answer.from, NOW);
        vm.assertEq(answer.until, NOW + 1000);
        vm.assertEq(answer.compromisedSince, NOW + 500);
        vm.assertTrue(answer.role == IIssuerRegistry.KeyRole.Signing);
        vm.assertTrue(answer.revoked);
        vm.assertFalse(registry.check(id, keccak256("second"), 3 * 256 + 16).revoked);
        vm.assertFalse(registry.check(id, keccak256("second"), 4 * 256 + 17).revoked);
    }

    function test_check_ofTheUnknownIsAllZero() public view {
        IIssuerRegistry.Check memory nothing;

        vm.assertEq(
            abi.encode(registry.check(bytes32(uint256(9)), SIGNING_KEY, type(uint256).max)),
            abi.encode(nothing)
        );
    }

    function test_check_saysClosedForGood() public {
        close(0);

        vm.assertTrue(registry.check(id, SIGNING_KEY, 0).closedForGood);
    }

    function test_domainSeparator_followsTheChain() public {
        bytes32 here = registry.domainSeparator();
        vm.chainId(1);

        vm.assertFalse(here == registry.domainSeparator());
    }

    // ------------------------------------------------------------ storage, as verifiers read it

    function _load(bytes32 slot, uint256 offset) private view returns (uint256) {
        return uint256(vm.load(address(registry), bytes32(uint256(slot) + offset)));
    }

    function test_storage_ofAnIssuer() public {
        bytes32 successor = registerSuccessor();
        reinstate(0, 0);
        vm.warp(NOW + 9);
        close(successor);
        bytes32 slot = keccak256(abi.encode(id, uint256(0)));

        uint256 packed = uint256(uint160(CONTROLLER)) | uint256(NOW) << 160 | uint256(NOW + 9) << 200;
        vm.assertEq(_load(slot, 0), packed);
        vm.assertEq(bytes32(_load(slot, 1)), commitment(RECOVERY));
        vm.assertEq(bytes32(_load(slot, 2)), PROFILE);
        vm.assertEq(bytes32(_load(slot, 3)), successor);
        vm.assertEq(bytes32(_load(slot, 4)), keccak256("statement"));
        vm.assertEq(_load(slot, 5), 1);
    }

    function test_storage_ofAnIssuerClosedForGood() public {
        close(0);
        bytes32 slot = keccak256(abi.encode(id, uint256(0)));

        vm.assertEq(_load(slot, 0) >> 240, 1);
    }

    function test_storage_ofAKey() public {
        endKey(SIGNING_KEY, NOW + 8);
        compromiseKey(RECOVERY, SIGNING_KEY, NOW - 3);
        bytes32 slot = keccak256(abi.encode(SIGNING_KEY, keccak256(abi.encode(id, uint256(1)))));

        uint256 packed = uint256(NOW) | uint256(NOW + 8) << 40 | uint256(NOW - 3) << 80 | uint256(1) << 120;
        vm.assertEq(_load(slot, 0), packed);
    }

    function test_storage_ofAStatusWord() public {
        revoke(REVOKER, 5, 0xF0);

        vm.assertEq(_load(keccak256(abi.encode(uint256(5), keccak256(abi.encode(id, uint256(2))))), 0), 0xF0);
    }

    function test_storage_ofAProfile() public view {
        vm.assertEq(_load(keccak256(abi.encode(PROFILE, keccak256(abi.encode(id, uint256(3))))), 0), NOW);
    }

    function test_storage_ofAnEndorsement() public {
        endorse(NOW + 50);
        vm.warp(NOW + 20);
        withdraw(ACCREDITOR_RECOVERY, NOW + 10);
        bytes32 byAccreditor = keccak256(abi.encode(accreditor, uint256(4)));
        bytes32 slot = keccak256(abi.encode(PROFILE, keccak256(abi.encode(id, byAccreditor))));

        vm.assertEq(_load(slot, 0), uint256(NOW) | uint256(NOW + 50) << 40 | uint256(NOW + 10) << 80);
    }
}
