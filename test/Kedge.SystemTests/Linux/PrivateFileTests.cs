using System.Net.Sockets;
using Kedge.Demo;
using Kedge.Linux;
using Kedge.Linux.Files;
using Kedge.Linux.LocalSockets;

namespace Kedge.SystemTests.Linux;

public class PrivateFileTests : IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly Topology _net = Topology.Create(); // For its folder, which is removed whatever happens.
    private readonly string _folder;

    public PrivateFileTests() => _folder = _net.TempFolder;

    private string Target => Path.Combine(_folder, "key");

    public void Dispose()
    {
        _net.Dispose();
        GC.SuppressFinalize(this);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(32)]
    [InlineData(1_000_000)]
    public void What_is_written_is_read_and_is_its_owners_alone(int length)
    {
        byte[] contents = new byte[length];
        new Random(length).NextBytes(contents);

        PrivateFile.Write(Target, contents);

        Assert.True(PrivateFile.TryRead(Target, out byte[]? read));
        Assert.Equal(contents, read);
        Assert.Equal(OwnerOnly, File.GetUnixFileMode(Target));
        Assert.Equal([Target], Directory.GetFiles(_folder));
    }

    [Fact]
    public void A_file_that_is_not_there_is_not_read()
    {
        Assert.False(PrivateFile.TryRead(Target, out byte[]? contents));
        Assert.Null(contents);
    }

    [Fact]
    public void A_file_that_others_could_read_is_replaced_by_a_private_one()
    {
        File.WriteAllText(Target, "old");
        File.SetUnixFileMode(Target, OwnerOnly | UnixFileMode.OtherRead);

        PrivateFile.Write(Target, "new"u8);

        Assert.Equal("new", File.ReadAllText(Target));
        Assert.Equal(OwnerOnly, File.GetUnixFileMode(Target));
    }

    [Fact]
    public void What_a_crash_left_is_no_obstacle_and_its_mode_does_not_matter()
    {
        File.WriteAllText(Target + ".new", "half");
        File.SetUnixFileMode(Target + ".new", OwnerOnly | UnixFileMode.OtherRead);

        PrivateFile.Write(Target, "whole"u8);

        Assert.Equal("whole", File.ReadAllText(Target));
        Assert.Equal(OwnerOnly, File.GetUnixFileMode(Target));
        Assert.Equal([Target], Directory.GetFiles(_folder));
    }

    [Fact]
    public void A_link_that_waits_for_the_new_contents_is_not_followed()
    {
        string victim = Path.Combine(_folder, "victim");
        File.WriteAllText(victim, "untouched");
        File.CreateSymbolicLink(Target + ".new", victim);

        PrivateFile.Write(Target, "new"u8);

        Assert.Equal("untouched", File.ReadAllText(victim));
        Assert.Equal("new", File.ReadAllText(Target));
    }

    [Fact]
    public void A_write_that_fails_leaves_the_old_contents_and_nothing_else()
    {
        Directory.CreateDirectory(Target);

        var failure = Assert.Throws<LinuxException>(() => PrivateFile.Write(Target, "new"u8));

        Assert.Contains(Target, failure.Message, StringComparison.Ordinal);
        Assert.True(Directory.Exists(Target));
        Assert.Empty(Directory.GetFiles(_folder));
        string nowhere = Path.Combine(_folder, "no folder", "key");
        Assert.Equal(Errno.ENOENT, Assert.Throws<LinuxException>(() => PrivateFile.Write(nowhere, "new"u8)).Errno);
    }

    [Fact]
    public void Who_reads_meanwhile_sees_the_old_contents_or_the_new()
    {
        byte[] old = [.. Enumerable.Repeat((byte)1, 5000)], replaced = [.. Enumerable.Repeat((byte)2, 9000)];
        PrivateFile.Write(Target, old);
        var writer = new Thread(() =>
        {
            for (int i = 0; i < 200; i++)
                PrivateFile.Write(Target, i % 2 == 0 ? replaced : old);
        });
        writer.Start();
        bool ended;
        do
        {
            ended = writer.Join(TimeSpan.Zero);
            Assert.True(PrivateFile.TryRead(Target, out byte[]? contents));
            Assert.Equal(contents[0] == 1 ? old : replaced, contents);
        }
        while (!ended);
    }

    [Fact]
    public void Only_a_file_of_the_same_length_is_written_over()
    {
        Assert.False(PrivateFile.TryOverwrite(Target, "new"u8));
        Assert.False(File.Exists(Target));

        PrivateFile.Write(Target, "longer"u8);
        Assert.False(PrivateFile.TryOverwrite(Target, "new"u8));
        Assert.Equal("longer", File.ReadAllText(Target));

        Assert.True(PrivateFile.TryOverwrite(Target, "newest"u8));
        PrivateFile.Flush(Target);
        Assert.Equal("newest", File.ReadAllText(Target));
        Assert.Equal(OwnerOnly, File.GetUnixFileMode(Target));
        Assert.Equal([Target], Directory.GetFiles(_folder));
        Assert.Contains(_folder, Assert.Throws<LinuxException>(() => PrivateFile.TryOverwrite(_folder, "new"u8)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_private_socket_is_its_owners_alone_and_knows_who_calls()
    {
        string path = Path.Combine(_folder, "sock");
        using Socket listener = PrivateSocket.Listen(path, backlog: 1);
        using var caller = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        caller.Connect(new UnixDomainSocketEndPoint(path));
        using Socket accepted = listener.Accept();

        Assert.Equal(OwnerOnly, File.GetUnixFileMode(path));
        Assert.Equal(new PeerCredentials(Environment.ProcessId, 0, 0), PeerCredentials.Of(accepted));
        Assert.Equal(SocketError.AddressAlreadyInUse, Assert.Throws<SocketException>(() => PrivateSocket.Listen(path, 1)).SocketErrorCode);
    }
}
