using Kedge.Threading;

namespace Kedge.Tests.Threading;

public class DedicatedThreadTests
{
    [Fact]
    public void An_exception_goes_to_the_handler_and_does_not_end_the_process()
    {
        Exception? fault = null;
        Thread? handledOn = null;

        Thread thread = DedicatedThread.Start("test", () => throw new InvalidOperationException("what failed"), exception =>
        {
            fault = exception;
            handledOn = Thread.CurrentThread;
        });
        thread.Join();

        Assert.Equal("what failed", fault?.Message);
        Assert.Same(thread, handledOn);
    }

    [Fact]
    public void A_thread_has_its_name_and_does_not_keep_the_process_alive()
    {
        bool ran = false;
        Thread thread = DedicatedThread.Create("named", () => ran = true, _ => { });
        Assert.False(ran);
        Assert.Equal(("named", true), (thread.Name, thread.IsBackground));
        thread.Start();
        thread.Join();
        Assert.True(ran);
    }

    [Fact]
    public void What_an_action_on_a_thread_of_its_own_throws_is_thrown_to_the_caller()
    {
        int id = Environment.CurrentManagedThreadId;
        int other = id;
        DedicatedThread.Run("other", () => other = Environment.CurrentManagedThreadId);

        Assert.NotEqual(id, other);
        Assert.Equal(
            "no", Assert.Throws<InvalidDataException>(() => DedicatedThread.Run("other", () => throw new InvalidDataException("no"))).Message);
    }
}
