// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

// A cast that cut a value off would show as a failing test.
// forge-lint: disable-start(unsafe-typecast)

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";

import {IIssuerRegistry} from "../src/IIssuerRegistry.sol";
import {IssuerRegistry} from "../src/IssuerRegistry.sol";
import {IssuerFixture, Requests} from "./IssuerFixture.sol";

/// @dev A contract account that approves exactly one digest, with one "signature".
contract Wallet is IERC1271 {
    bytes32 private _approved;

    function approve(bytes32 digest) external {
        _approved = digest;
    }

    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        bool valid = digest == _approved && keccak256(signature) == keccak256("approved");
        return valid ? IERC1271.isValidSignature.selector : bytes4(0xffffffff);
    }
}

/// @dev A contract that answers everything with nothing.
contract Mute {
    fallback() external {}
}

/// @dev Who may carry what: every act by signature, and every way a signature must fail.
contract IssuerSignaturesTest is IssuerFixture {
    bytes32 private constant KEY = keccak256("another key");

    function _expectWrongSignature(address signer) private {
        vm.expectRevert(abi.encodeWithSelector(IIssuerRegistry.WrongSignature.selector, signer));
    }

    function _record(uint64 deadline, bytes memory signature) private {
        registry.recordProfile(id, KEY, deadline, signature);
    }

    function _signedRecord() private view returns (bytes memory) {
        return sign(CONTROLLER_SECRET, Requests.recordProfile(id, KEY, DEADLINE));
    }

    // ------------------------------------------------------------ each act, carried by a stranger

    function test_carried_addKey() public {
        IIssuerRegistry.KeyRole role = IIssuerRegistry.KeyRole.Signing;
        bytes memory signature = sign(CONTROLLER_SECRET, Requests.addKey(id, KEY, role, NOW + 9, DEADLINE));
        registry.addKey(id, KEY, role, NOW + 9, DEADLINE, signature);

        vm.assertEq(registry.key(id, KEY).from, NOW);
    }

    function test_carried_endKey() public {
        bytes memory signature = sign(CONTROLLER_SECRET, Requests.endKey(id, SIGNING_KEY, NOW + 9, DEADLINE));
        registry.endKey(id, SIGNING_KEY, NOW + 9, DEADLINE, signature);

        vm.assertEq(registry.key(id, SIGNING_KEY).until, NOW + 9);
    }

    function test_carried_compromiseKey() public {
        bytes32 later = Requests.compromiseKey(id, SIGNING_KEY, NOW + 9, DEADLINE);
        bytes32 earlier = Requests.compromiseKey(id, SIGNING_KEY, NOW - 9, DEADLINE);
        registry.compromiseKey(id, SIGNING_KEY, NOW + 9, CONTROLLER, DEADLINE, sign(CONTROLLER_SECRET, later));
        registry.compromiseKey(id, SIGNING_KEY, NOW - 9, RECOVERY, DEADLINE, sign(RECOVERY_SECRET, earlier));

        vm.assertEq(registry.key(id, SIGNING_KEY).compromisedSince, NOW - 9);
    }

    function test_carried_recordProfile() public {
        _record(DEADLINE, _signedRecord());

        vm.assertEq(registry.issuer(id).profile, KEY);
    }

    function test_carried_endorse() public {
        bytes32 endorsing = Requests.endorse(accreditor, id, PROFILE, 0, DEADLINE);
        registry.endorse(accreditor, id, PROFILE, 0, DEADLINE, sign(ACCREDITOR_SECRET, endorsing));

        vm.assertEq(registry.endorsement(accreditor, id, PROFILE).from, NOW);
    }

    function _withdraw(uint64 since, address signer, bytes memory signature) private {
        registry.withdraw(accreditor, id, PROFILE, since, signer, DEADLINE, signature);
    }

    /// @dev How a controller says "now": its deadline as `since`, good in any block up to it.
    function test_carried_withdrawByTheControllerCountsFromTheBlockThatCarriesIt() public {
        endorse(0);
        bytes32 withdrawing = Requests.withdraw(accreditor, id, PROFILE, DEADLINE, DEADLINE);
        bytes memory signature = sign(ACCREDITOR_SECRET, withdrawing);
        vm.warp(NOW + 700);
        _withdraw(DEADLINE, ACCREDITOR, signature);
        vm.recordLogs();
        vm.warp(DEADLINE);
        _withdraw(DEADLINE, ACCREDITOR, signature);

        assertNoEvent();
        vm.assertEq(registry.endorsement(accreditor, id, PROFILE).withdrawnSince, NOW + 700);
    }

    function test_carried_withdrawByTheRecoveryKeyDatesBack() public {
        endorse(0);
        bytes32 withdrawing = Requests.withdraw(accreditor, id, PROFILE, NOW + 60, DEADLINE);
        vm.warp(NOW + 700);
        _withdraw(NOW + 60, ACCREDITOR_RECOVERY, sign(ACCREDITOR_RECOVERY_SECRET, withdrawing));

        vm.assertEq(registry.endorsement(accreditor, id, PROFILE).withdrawnSince, NOW + 60);
    }

    /// @dev Waiting with the controller's request does not turn it into one that dates back.
    function test_carried_withdrawByTheControllerRevertsOnceItsTimeHasPassed() public {
        endorse(0);
        bytes memory signature =
            sign(ACCREDITOR_SECRET, Requests.withdraw(accreditor, id, PROFILE, NOW + 60, DEADLINE));
        vm.warp(NOW + 61);
        vm.expectRevert(abi.encodeWithSelector(IIssuerRegistry.WithdrawalInThePast.selector, NOW + 60));
        _withdraw(NOW + 60, ACCREDITOR, signature);
        _expectWrongSignature(ACCREDITOR_RECOVERY);
        _withdraw(NOW + 60, ACCREDITOR_RECOVERY, signature);
    }

    // ------------------------------------------------------------ replay

    /// @dev Acts of the controller need no nonce, because carrying each of them again changes nothing.
    function test_replay_ofTheControllersActsChangesNothing() public {
        IIssuerRegistry.KeyRole role = IIssuerRegistry.KeyRole.Signing;
        bytes memory adding = sign(CONTROLLER_SECRET, Requests.addKey(id, KEY, role, NOW + 60, DEADLINE));
        bytes memory ending = sign(CONTROLLER_SECRET, Requests.endKey(id, KEY, 0, DEADLINE));
        bytes memory recording = _signedRecord();
        registry.addKey(id, KEY, role, NOW + 60, DEADLINE, adding);
        registry.endKey(id, KEY, 0, DEADLINE, ending);
        _record(DEADLINE, recording);
        recordProfile(keccak256("newest"));
        bytes32 before = keccak256(abi.encode(registry.issuer(id), registry.key(id, KEY)));

        vm.warp(NOW + 120);
        vm.recordLogs();
        vm.prank(THIEF);
        registry.addKey(id, KEY, role, NOW + 60, DEADLINE, adding);
        vm.prank(THIEF);
        registry.endKey(id, KEY, 0, DEADLINE, ending);
        vm.prank(THIEF);
        _record(DEADLINE, recording);

        assertNoEvent();
        vm.assertEq(keccak256(abi.encode(registry.issuer(id), registry.key(id, KEY))), before);
    }

    function test_replay_revertsWithWrongSignatureOnAnotherChain() public {
        bytes memory signature = _signedRecord();
        vm.chainId(1);

        _expectWrongSignature(CONTROLLER);
        _record(DEADLINE, signature);
    }

    function test_replay_revertsWithWrongSignatureAtAnotherContract() public {
        bytes memory signature = _signedRecord();
        IssuerRegistry twin = new IssuerRegistry();
        twin.register(CONTROLLER, commitment(RECOVERY), PROFILE, SALT);

        _expectWrongSignature(CONTROLLER);
        twin.recordProfile(id, KEY, DEADLINE, signature);
    }

    function test_replay_revertsWithWrongSignatureForAnotherIssuer() public {
        bytes32 second = registry.register(CONTROLLER, commitment(RECOVERY), PROFILE, 0);
        bytes memory signature = _signedRecord();

        _expectWrongSignature(CONTROLLER);
        registry.recordProfile(second, KEY, DEADLINE, signature);
    }

    /// @dev The members have the same types and values; only the name of the act differs.
    function test_replay_revertsWithWrongSignatureForAnotherAct() public {
        bytes memory signature = sign(CONTROLLER_SECRET, Requests.endKey(id, SIGNING_KEY, NOW + 9, DEADLINE));

        _expectWrongSignature(CONTROLLER);
        registry.compromiseKey(id, SIGNING_KEY, NOW + 9, CONTROLLER, DEADLINE, signature);
    }

    // ------------------------------------------------------------ deadlines

    function test_deadline_countsToItsLastSecond() public {
        bytes memory signature = _signedRecord();
        vm.warp(DEADLINE);
        _record(DEADLINE, signature);

        vm.assertEq(registry.issuer(id).profile, KEY);
    }

    function test_deadline_revertsWithDeadlinePassed() public {
        bytes memory signature = _signedRecord();
        vm.warp(DEADLINE + 1);

        vm.expectRevert(abi.encodeWithSelector(IIssuerRegistry.DeadlinePassed.selector, DEADLINE));
        _record(DEADLINE, signature);
    }

    function test_deadline_countsForADirectCallToo() public {
        vm.prank(CONTROLLER);
        vm.expectRevert(abi.encodeWithSelector(IIssuerRegistry.DeadlinePassed.selector, NOW - 1));
        _record(NOW - 1, "");
    }

    function test_deadline_cannotBeStretchedByTheCarrier() public {
        bytes memory signature = _signedRecord();

        _expectWrongSignature(CONTROLLER);
        _record(DEADLINE + 1, signature);
    }

    // ------------------------------------------------------------ wrong hands

    function test_direct_revertsWithCallerNotSigner() public {
        vm.prank(THIEF);
        vm.expectRevert(abi.encodeWithSelector(IIssuerRegistry.CallerNotSigner.selector, THIEF, CONTROLLER));
        _record(DEADLINE, "");
    }

    function test_carried_revertsWithWrongSignatureForAnotherSigner() public {
        bytes memory signature = sign(THIEF_SECRET, Requests.recordProfile(id, KEY, DEADLINE));

        _expectWrongSignature(CONTROLLER);
        _record(DEADLINE, signature);
    }

    function test_carried_revertsWithWrongSignatureForBadLengths() public {
        bytes memory whole = _signedRecord();
        bytes memory short = new bytes(64);
        for (uint256 i; i < short.length; ++i) {
            short[i] = whole[i];
        }

        _expectWrongSignature(CONTROLLER);
        _record(DEADLINE, short);
        _expectWrongSignature(CONTROLLER);
        _record(DEADLINE, abi.encodePacked(whole, uint8(0)));
        _expectWrongSignature(CONTROLLER);
        _record(DEADLINE, hex"00");
    }

    /// @dev The other root of the same signature (s -> n - s) is refused.
    function test_carried_revertsWithWrongSignatureForAMirroredSignature() public {
        bytes32 request = Requests.recordProfile(id, KEY, DEADLINE);
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", registry.domainSeparator(), request));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(CONTROLLER_SECRET, digest);
        uint256 order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
        bytes memory mirrored = abi.encodePacked(r, bytes32(order - uint256(s)), v == 27 ? 28 : 27);

        _expectWrongSignature(CONTROLLER);
        _record(DEADLINE, mirrored);
    }

    function test_fuzz_carried_refusesAnyChangedBit(uint16 bit) public {
        bytes memory signature = _signedRecord();
        uint256 where = bound(bit, 0, 65 * 8 - 1);
        signature[where / 8] = bytes1(uint8(signature[where / 8]) ^ uint8(2 ** (where % 8)));

        _expectWrongSignature(CONTROLLER);
        _record(DEADLINE, signature);
    }

    function test_fuzz_carried_refusesAnyOtherSigner(uint256 secret, bytes32 profile) public {
        secret = bound(secret, 1, type(uint128).max);
        vm.assume(secret != CONTROLLER_SECRET && profile != 0);
        bytes memory signature = sign(secret, Requests.recordProfile(id, profile, DEADLINE));

        _expectWrongSignature(CONTROLLER);
        registry.recordProfile(id, profile, DEADLINE, signature);
    }

    function test_fuzz_carried_refusesNoise(bytes calldata signature) public {
        vm.assume(signature.length > 0);

        _expectWrongSignature(CONTROLLER);
        _record(DEADLINE, signature);
    }

    // ------------------------------------------------------------ contract accounts

    function _wallet() private returns (Wallet wallet, bytes32 walletId) {
        wallet = new Wallet();
        walletId = registry.register(address(wallet), commitment(address(wallet)), PROFILE, SALT);
    }

    function test_wallet_signsByErc1271() public {
        (Wallet wallet, bytes32 walletId) = _wallet();
        bytes32 request = Requests.recordProfile(walletId, KEY, DEADLINE);
        wallet.approve(keccak256(abi.encodePacked(hex"1901", registry.domainSeparator(), request)));
        registry.recordProfile(walletId, KEY, DEADLINE, "approved");

        vm.assertEq(registry.issuer(walletId).profile, KEY);
    }

    function test_wallet_mayHoldTheRecoveryKey() public {
        (Wallet wallet, bytes32 walletId) = _wallet();
        bytes32 request = Requests.close(walletId, 0, 0, DEADLINE);
        wallet.approve(keccak256(abi.encodePacked(hex"1901", registry.domainSeparator(), request)));
        registry.close(walletId, 0, 0, address(wallet), DEADLINE, "approved");

        vm.assertTrue(registry.issuer(walletId).closedForGood);
    }

    function test_wallet_revertsWithWrongSignature() public {
        (Wallet wallet, bytes32 walletId) = _wallet();

        _expectWrongSignature(address(wallet));
        registry.recordProfile(walletId, KEY, DEADLINE, "approved");
    }

    function test_mute_revertsWithWrongSignature() public {
        Mute mute = new Mute();
        bytes32 muteId = registry.register(address(mute), commitment(RECOVERY), PROFILE, SALT);

        _expectWrongSignature(address(mute));
        registry.recordProfile(muteId, KEY, DEADLINE, "approved");
    }

    /// @dev EIP-7702: the account has code (here of a contract that knows no ERC-1271) and signs as before.
    function test_delegatedAccount_stillSigns() public {
        vm.etch(CONTROLLER, abi.encodePacked(hex"ef0100", address(registry)));
        vm.etch(RECOVERY, abi.encodePacked(hex"ef0100", address(new Mute())));
        _record(DEADLINE, _signedRecord());
        registry.close(
            id, 0, 0, RECOVERY, DEADLINE, sign(RECOVERY_SECRET, Requests.close(id, 0, 0, DEADLINE))
        );

        vm.assertEq(registry.issuer(id).profile, KEY);
        vm.assertTrue(registry.issuer(id).closedForGood);
    }

    function test_delegatedAccount_revertsWithWrongSignatureForOthers() public {
        vm.etch(CONTROLLER, abi.encodePacked(hex"ef0100", address(new Mute())));
        bytes memory signature = sign(THIEF_SECRET, Requests.recordProfile(id, KEY, DEADLINE));

        _expectWrongSignature(CONTROLLER);
        _record(DEADLINE, signature);
    }
}
